//! One of the stores that an artifact is copied to.

use super::sending::SharedWindow;
use super::{Crc64, Error, Existing, Part, Store, StoredManifest, UploadTicket, Verification, cut};
use bytes::Bytes;
use failpoint::Point;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A store that is to get a copy.
#[derive(Debug)]
pub struct CopyTarget {
    /// The store.
    pub store: Store,
    /// Gets the bytes that are there.
    pub progress: watch::Sender<u64>,
}

/// The copy as it grows.
pub(super) struct Replica {
    target: CopyTarget,
    manifest: StoredManifest,
    /// `None` where the content is there, or has no bytes.
    upload: Option<UploadTicket>,
    window: SharedWindow,
    grown: Mutex<Grown>,
}

#[derive(Default)]
struct Grown {
    parts: BTreeMap<i32, Part>,
    /// Why it grows no more; the first reason.
    error: Option<Error>,
}

impl Replica {
    /// Looks at what is there already, and goes on with the upload that an earlier copy left.
    pub(super) async fn begin(target: CopyTarget, manifest: StoredManifest) -> Result<Self, Error> {
        let store = &target.store;
        let (mut upload, mut parts) = (None, BTreeMap::new());
        if store.compare(&manifest).await? != Verification::Matches {
            if manifest.total == 0 {
                store.put(&manifest.content_key.object(), Bytes::new()).await?;
            } else {
                let (ticket, there) = store.resume_or_create(&manifest).await?;
                (upload, parts) = (Some(ticket), there);
            }
        }
        let there = parts.values().map(|part: &Part| part.length).sum();
        let is_there = upload.is_none();
        target
            .progress
            .send_replace(if is_there { manifest.total } else { there });
        Ok(Self {
            target,
            manifest,
            upload,
            window: SharedWindow::new(),
            grown: Mutex::new(Grown { parts, error: None }),
        })
    }

    /// Whether a part is still to be sent.
    pub(super) fn lacks(&self, number: i32) -> bool {
        let grown = self.grown();
        self.upload.is_some() && grown.error.is_none() && !grown.parts.contains_key(&number)
    }

    pub(super) fn shares_server_with(&self, source: &Store) -> bool {
        self.target.store.shares_server_with(source)
    }

    /// It grows no more.
    pub(super) fn fail(&self, error: Error) {
        self.grown().error.get_or_insert(error);
    }

    /// Has the server copy a part.
    pub(super) async fn copy_part(&self, number: i32, source: (&Store, &str), range: Range<u64>) {
        if let Some(ticket) = &self.upload {
            let copied = self.target.store.copy_part(ticket, number, source, range).await;
            self.take(copied);
        }
    }

    /// Sends a part; whether the store has it.
    pub(super) async fn send_part(&self, number: i32, bytes: Bytes, crc64nvme: Crc64) -> bool {
        let Some(ticket) = &self.upload else { return true };
        let store = &self.target.store;
        let sent = store
            .put_part_patiently(ticket, number, (bytes, crc64nvme), &self.window)
            .await;
        self.take(sent)
    }

    /// Makes what was sent the content, and publishes it.
    pub(super) async fn finish(self) -> Result<(), Error> {
        let grown = self.grown.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = grown.error {
            return Err(error);
        }
        let store = &self.target.store;
        if let Some(ticket) = &self.upload {
            let parts: Vec<Part> = grown.parts.into_values().collect();
            let completed = store
                .complete_upload(ticket, &parts, self.manifest.crc64nvme, Existing::IsReplaced)
                .await;
            if let Err(error) = completed {
                if !error.is_transient() {
                    // Some part is wrong, and which can't be told: the next try begins anew.
                    store.abort_upload(ticket).await?;
                }
                return Err(error);
            }
        }
        failpoint::reach(Point::ReplicatorContentCopied);
        self.target.progress.send_replace(self.manifest.total);
        store.put_manifest(&self.manifest).await?;
        failpoint::reach(Point::ReplicatorCopied);
        Ok(())
    }

    fn take(&self, part: Result<Part, Error>) -> bool {
        match part {
            Ok(part) => {
                failpoint::reach(Point::ReplicatorPartCopied);
                self.target.progress.send_modify(|bytes| *bytes += part.length);
                self.grown().parts.insert(part.number, part);
                true
            }
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    fn grown(&self) -> MutexGuard<'_, Grown> {
        // Nothing panics while it holds this lock.
        self.grown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// An upload that an earlier copy left, with the parts of it that fit, or a new one.
    async fn resume_or_create(
        &self,
        replica: &StoredManifest,
    ) -> Result<(UploadTicket, BTreeMap<i32, Part>), Error> {
        let key = &replica.content_key;
        let left = self.unfinished(key.as_str()).await?;
        let Some(upload) = left.into_iter().find(|upload| upload.ticket.key == *key) else {
            return Ok((self.create_upload(key).await?, BTreeMap::new()));
        };
        let expected: BTreeMap<i32, u64> = cut::parts(replica.total)
            .map(|(number, range)| (number, range.end - range.start))
            .collect();
        let parts = self.parts(&upload.ticket).await?;
        let fits = |part: &Part| expected.get(&part.number) == Some(&part.length);
        let present = parts.into_iter().filter(fits);
        Ok((upload.ticket, present.map(|part| (part.number, part)).collect()))
    }
}
