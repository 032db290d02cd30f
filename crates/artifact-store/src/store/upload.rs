//! Uploading a build's outputs: read, hash and send in one pass.

use super::outputs::Plan;
use super::{ContentKey, Crc64, Error, Outputs, PARTS_IN_FLIGHT, Part, Store, UploadTicket};
use artifact::{Manifest, PieceHash};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Content that is in the store, and the manifest that describes it; nobody signed it yet.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// What was uploaded.
    pub manifest: Manifest,
    /// Where it lies.
    pub content_key: ContentKey,
    /// The content's checksum.
    pub crc64nvme: Crc64,
    /// From the first look at the files to the store's last word.
    pub took: Duration,
}

/// A part that was sent, with the hashes of its pieces.
struct Sent {
    part: Part,
    crc64nvme: Crc64,
    pieces: Vec<PieceHash>,
}

impl Store {
    /// Uploads outputs as the content of an artifact, reading every byte once. `progress` gets the
    /// bytes that the store has. If it fails or is stopped, nothing is left in the store, unless the
    /// store can't be reached: then an unfinished upload, see [`Self::abort_unfinished`].
    ///
    /// # Errors
    /// Refuses outputs that make no artifact or change meanwhile, and fails when the store does.
    pub async fn upload(
        &self,
        key: &ContentKey,
        outputs: Outputs,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<Uploaded, Error> {
        let started = Instant::now();
        let plan = tokio::task::spawn_blocking(move || Plan::new(outputs)).await??;
        let plan = Arc::new(plan);
        let (pieces, crc64nvme) = if plan.total() == 0 {
            // A multipart upload has at least one part, so content without bytes can't be one.
            self.put(&key.object(), Bytes::new()).await?;
            (Vec::new(), Crc64::empty())
        } else {
            self.upload_parts(key, &plan, &progress, &stop).await?
        };
        let builder = plan.manifest.clone();
        Ok(Uploaded {
            manifest: builder.finish(pieces).map_err(Error::Outputs)?,
            content_key: key.clone(),
            crc64nvme,
            took: started.elapsed(),
        })
    }

    async fn upload_parts(
        &self,
        key: &ContentKey,
        plan: &Arc<Plan>,
        progress: &watch::Sender<u64>,
        stop: &CancellationToken,
    ) -> Result<(Vec<PieceHash>, Crc64), Error> {
        let ticket = self.create_upload(key).await?;
        let work = self.send_and_complete(&ticket, plan, progress);
        let done = stop
            .run_until_cancelled(work)
            .await
            .unwrap_or(Err(Error::Cancelled));
        if done.is_err()
            && let Err(error) = self.abort_upload(&ticket).await
        {
            tracing::warn!(store.key = %key, %error, "an upload failed and could not be aborted; its parts stay");
        }
        done
    }

    async fn send_and_complete(
        &self,
        ticket: &UploadTicket,
        plan: &Arc<Plan>,
        progress: &watch::Sender<u64>,
    ) -> Result<(Vec<PieceHash>, Crc64), Error> {
        // `buffered` keeps the order and bounds how many parts are read, hashed and sent at once; each is
        // in memory from its read to the store's answer.
        let mut sending = futures::stream::iter(0..plan.part_count())
            .map(|part| Box::pin(self.read_and_send(ticket, plan.clone(), part)))
            .buffered(PARTS_IN_FLIGHT);
        let (mut parts, mut pieces, mut crc64nvme) = (Vec::new(), Vec::new(), Crc64::empty());
        while let Some(sent) = sending.try_next().await? {
            progress.send_modify(|bytes| *bytes += sent.part.length);
            crc64nvme = crc64nvme.followed_by(sent.crc64nvme, sent.part.length);
            parts.push(sent.part);
            pieces.extend(sent.pieces);
        }
        drop(sending);
        let files = plan.clone();
        tokio::task::spawn_blocking(move || files.check_unchanged()).await??;
        self.complete_upload(ticket, &parts, crc64nvme).await?;
        Ok((pieces, crc64nvme))
    }

    async fn read_and_send(&self, ticket: &UploadTicket, plan: Arc<Plan>, part: u64) -> Result<Sent, Error> {
        let read = tokio::task::spawn_blocking(move || plan.read_part(part)).await??;
        // At most CONTENT_LENGTH_MAX / PART_LENGTH = 4096 parts.
        let number = part as i32 + 1;
        Ok(Sent {
            part: self
                .put_part(ticket, number, read.bytes.freeze(), read.crc64nvme)
                .await?,
            crc64nvme: read.crc64nvme,
            pieces: read.pieces,
        })
    }
}
