//! Copying an artifact from one store to others, which share every byte that is read.

use super::copy_target::{CopyTarget, Replica};
use super::verify::first_wrong_piece;
use super::{ContentKey, Crc64, Error, PART_LENGTH, PARTS_IN_FLIGHT, Pace, Store, StoredManifest, cut};
use crate::buffers::Buffers;
use artifact::Manifest;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::ArtifactId;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a part is read that arrives with other bytes than the manifest says.
const READS_MAX: usize = 3;
/// How much later than the first store another may be ready, or take a part, before the others go on without it.
const LAG_MAX: Duration = Duration::from_secs(10);

/// What is read, and from where.
struct Source<'a> {
    store: &'a Store,
    key: String,
    manifest: Manifest,
    buffers: Arc<Buffers>,
    pace: &'a Pace,
}

impl Store {
    /// Copies an artifact from this store to others, content first and manifest last; how each copy ended, in their
    /// order. A part that several lack is read once, and each piece is compared with its hash before it is sent on.
    /// Where one server holds both stores, it copies by itself. One that fails, or falls behind the others
    /// ([`Error::Behind`]), holds up no other. What a stopped or failed copy left is used by the next.
    pub async fn copy_to(
        &self,
        targets: Vec<CopyTarget>,
        artifact: &ArtifactId,
        pace: &Pace,
        stop: &CancellationToken,
    ) -> Vec<Result<(), Error>> {
        let count = targets.len();
        let work = Box::pin(self.copy_all(targets, artifact, pace));
        let done = stop.run_until_cancelled(work).await;
        done.unwrap_or_else(|| (0..count).map(|_| Err(Error::Cancelled)).collect())
    }

    async fn copy_all(
        &self,
        targets: Vec<CopyTarget>,
        artifact: &ArtifactId,
        pace: &Pace,
    ) -> Vec<Result<(), Error>> {
        // The manifest is small: asking for it again for each target tells each its own error.
        let begun = targets.into_iter().map(|target| async move {
            let original = self
                .get_manifest(artifact)
                .await?
                .ok_or(Error::Absent(*artifact))?;
            let manifest = original.signed.unverified();
            let manifest = manifest.map_err(|source| Error::StoredManifest {
                artifact: *artifact,
                source: super::InvalidStoredManifest::Manifest(source),
            })?;
            let replica = StoredManifest {
                content_key: ContentKey::of_replica(artifact),
                ..original.clone()
            };
            let replica = Replica::begin(target, replica).await?;
            Ok((original.content_key.object(), manifest, replica))
        });
        // A store that is away is found out only after several tries.
        let begun = together(begun, Result::is_ok).await.into_iter();
        let begun: Vec<Result<_, Error>> = begun.map(|begun| begun.unwrap_or(Err(Error::Behind))).collect();
        let of_one = begun.iter().find_map(|begun| begun.as_ref().ok());
        if let Some((key, manifest, _)) = of_one {
            let source = Source {
                store: self,
                key: key.clone(),
                manifest: manifest.clone(),
                buffers: Buffers::of(PART_LENGTH),
                pace,
            };
            let replicas = begun.iter().filter_map(|begun| begun.as_ref().ok());
            source
                .copy_parts(&replicas.map(|(_, _, replica)| replica).collect::<Vec<_>>())
                .await;
        }
        let ended = begun.into_iter().map(|begun| async move {
            let (_, _, replica) = begun?;
            replica.finish().await
        });
        futures::future::join_all(ended).await
    }
}

impl Source<'_> {
    /// Brings every part to each replica that lacks it, several at a time.
    async fn copy_parts(&self, replicas: &[&Replica]) {
        futures::stream::iter(cut::parts(self.manifest.total_length()))
            .map(|(number, range)| Box::pin(self.copy_part(number, range, replicas)))
            .buffer_unordered(PARTS_IN_FLIGHT)
            .collect::<()>()
            .await;
    }

    async fn copy_part(&self, number: i32, range: Range<u64>, replicas: &[&Replica]) {
        let lacking = replicas.iter().copied().filter(|replica| replica.lacks(number));
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            lacking.partition(|replica| replica.shares_server_with(self.store));
        let by_server = here.into_iter().map(|replica| {
            let range = range.clone();
            async move { replica.copy_part(number, (self.store, &self.key), range).await }
        });
        let streamed = async {
            if elsewhere.is_empty() {
                return;
            }
            match self.read(range.clone()).await {
                Ok(part) => send_to_each(number, part, &elsewhere).await,
                Err(error) => {
                    let reason = error.to_string();
                    elsewhere
                        .iter()
                        .for_each(|replica| replica.fail(Error::Source(reason.clone())));
                }
            }
        };
        tokio::join!(futures::future::join_all(by_server), streamed);
    }

    /// Reads and checks a part.
    async fn read(&self, range: Range<u64>) -> Result<(Bytes, Crc64), Error> {
        let mut tries = READS_MAX;
        loop {
            self.pace.wait(range.end - range.start).await;
            let mut buffer = self.buffers.take((range.end - range.start) as usize);
            self.store
                .read_into(&self.key, range.start, buffer.as_mut())
                .await?;
            let (manifest, start) = (self.manifest.clone(), range.start);
            let checking = tokio::task::spawn_blocking(move || {
                let wrong = first_wrong_piece(&manifest, start, buffer.as_ref());
                (wrong, Crc64::of(buffer.as_ref()), buffer)
            });
            let (wrong, crc64nvme, buffer) = checking.await?;
            tries -= 1;
            match wrong {
                None => return Ok((buffer.freeze(), crc64nvme)),
                Some(piece) if tries == 0 => return Err(Error::WrongPiece(piece)),
                Some(piece) => tracing::warn!(
                    store.key = self.key,
                    piece,
                    "a part arrived damaged, reading it again"
                ),
            }
        }
    }
}

/// Sends a part to each, and goes on without those that take much longer than the first.
async fn send_to_each(number: i32, (bytes, crc64nvme): (Bytes, Crc64), replicas: &[&Replica]) {
    let sends = replicas
        .iter()
        .map(|replica| replica.send_part(number, bytes.clone(), crc64nvme));
    let sent = together(sends, |is_taken| *is_taken).await;
    for (replica, sent) in replicas.iter().zip(sent) {
        if sent.is_none() {
            replica.fail(Error::Behind);
        }
    }
}

/// What each comes to; one that takes [`LAG_MAX`] longer than the first that went well comes to nothing.
async fn together<T, W: Future<Output = T>>(
    work: impl Iterator<Item = W>,
    went_well: impl Fn(&T) -> bool,
) -> Vec<Option<T>> {
    let numbered = work.enumerate().map(|(at, work)| async move { (at, work.await) });
    let mut working: FuturesUnordered<_> = numbered.collect();
    let mut done: Vec<Option<T>> = (0..working.len()).map(|_| None).collect();
    let mut deadline = None;
    loop {
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            next = working.next() => match next {
                None => return done,
                Some((at, ended)) => {
                    if went_well(&ended) && deadline.is_none() {
                        deadline = Some(tokio::time::Instant::now() + LAG_MAX);
                    }
                    done[at] = Some(ended);
                }
            },
            () = late => return done,
        }
    }
}
