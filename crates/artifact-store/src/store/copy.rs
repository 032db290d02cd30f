//! Copying an artifact from one store to another.

use super::buffers::Buffers;
use super::{
    ContentKey, Crc64, Error, PART_LENGTH, PARTS_IN_FLIGHT, Part, Store, StoredManifest, UploadTicket,
    Verification,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use model::ArtifactId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

impl Store {
    /// Copies an artifact from another store into this one, content first and manifest last. Where one
    /// server holds both, it copies by itself; elsewhere the bytes stream through here. `progress` gets
    /// the bytes that are here. What a stopped or failed copy left is used by the next.
    ///
    /// # Errors
    /// [`Error::Absent`] where the source lacks the artifact; fails when a store does.
    pub async fn copy_from(
        &self,
        source: &Self,
        artifact: &ArtifactId,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let work = Box::pin(self.copy_all(source, artifact, &progress));
        stop.run_until_cancelled(work)
            .await
            .unwrap_or(Err(Error::Cancelled))
    }

    async fn copy_all(
        &self,
        source: &Self,
        artifact: &ArtifactId,
        progress: &watch::Sender<u64>,
    ) -> Result<(), Error> {
        let original = source
            .get_manifest(artifact)
            .await?
            .ok_or(Error::Absent(*artifact))?;
        let replica = StoredManifest {
            content_key: ContentKey::of_replica(artifact),
            ..original.clone()
        };
        if self.compare(&replica).await? != Verification::Matches {
            self.copy_content(source, &original, &replica, progress).await?;
        }
        progress.send_replace(replica.total);
        self.put_manifest(&replica).await
    }

    async fn copy_content(
        &self,
        source: &Self,
        original: &StoredManifest,
        replica: &StoredManifest,
        progress: &watch::Sender<u64>,
    ) -> Result<(), Error> {
        if replica.total == 0 {
            return self.put(&replica.content_key.object(), Bytes::new()).await;
        }
        let (ticket, present) = self.resume_or_create(replica).await?;
        let held = present.values().map(|part| part.length).sum();
        progress.send_replace(held);
        let parts = self
            .copy_parts(source, original, (&ticket, present), progress)
            .await?;
        let completed = self.complete_upload(&ticket, &parts, replica.crc64nvme).await;
        if completed.is_err() {
            // Some part is wrong, and which can't be told: the next try begins anew.
            self.abort_upload(&ticket).await?;
        }
        completed
    }

    /// The parts of the replica's content, those that are there and those that have to be copied.
    async fn copy_parts(
        &self,
        source: &Self,
        original: &StoredManifest,
        (ticket, mut present): (&UploadTicket, BTreeMap<i32, Part>),
        progress: &watch::Sender<u64>,
    ) -> Result<Vec<Part>, Error> {
        let (key, buffers) = (original.content_key.object(), Arc::<Buffers>::default());
        let by_server = self.shares_server_with(source);
        let missing: Vec<(i32, Range<u64>)> = ranges(original.total)
            .filter(|(number, _)| !present.contains_key(number))
            .collect();
        let mut copying = futures::stream::iter(missing)
            .map(|(number, range)| {
                let (key, buffers) = (&key, buffers.clone());
                Box::pin(async move {
                    if by_server {
                        return self.copy_part(ticket, number, (source, key), range).await;
                    }
                    let mut buffer = buffers.take((range.end - range.start) as usize);
                    source.read_into(key, range.start, buffer.as_mut()).await?;
                    let hashing = tokio::task::spawn_blocking(move || (Crc64::of(buffer.as_ref()), buffer));
                    let (crc64nvme, buffer) = hashing.await?;
                    self.put_part(ticket, number, buffer.freeze(), crc64nvme).await
                })
            })
            .buffer_unordered(PARTS_IN_FLIGHT);
        while let Some(part) = copying.try_next().await? {
            progress.send_modify(|bytes| *bytes += part.length);
            present.insert(part.number, part);
        }
        Ok(present.into_values().collect())
    }

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
        let expected: BTreeMap<i32, u64> = ranges(replica.total)
            .map(|(number, range)| (number, range.end - range.start))
            .collect();
        let parts = self.parts(&upload.ticket).await?;
        let fits = |part: &Part| expected.get(&part.number) == Some(&part.length);
        let present = parts
            .into_iter()
            .filter(fits)
            .map(|part| (part.number, part))
            .collect();
        Ok((upload.ticket, present))
    }
}

/// Part numbers, counted from 1, and what each covers. The same cut as an upload's, so that a server
/// that keeps parts as they came can share them.
fn ranges(total: u64) -> impl Iterator<Item = (i32, Range<u64>)> {
    (0..total.div_ceil(PART_LENGTH)).map(move |part| {
        let start = part * PART_LENGTH;
        // At most CONTENT_LENGTH_MAX / PART_LENGTH = 4096 parts.
        (part as i32 + 1, start..total.min(start + PART_LENGTH))
    })
}
