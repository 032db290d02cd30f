//! Uploading a build's outputs: read, hash and send in one pass.

use super::outputs::{Plan, ReadPart};
use super::sending::SharedWindow;
use super::{ContentKey, Crc64, Error, Existing, Outputs, Part, Store, UploadTicket};
use artifact::{Manifest, PieceHash};
use bytes::Bytes;
use failpoint::Point;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where an upload goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a place where nothing is.
    New(ContentKey),
    /// On with an upload that was left. A part that the store has counts once it was compared with the files: they are
    /// read and hashed anyway, so only the sending is spared.
    Left(UploadTicket),
}

/// All bytes are in the store; the content isn't, before [`Store::finish`].
#[derive(Debug, Clone)]
pub struct Sent {
    /// What was sent; nobody signed it yet.
    pub manifest: Manifest,
    /// The content's checksum.
    pub crc64nvme: Crc64,
    /// Bytes that were there already, left by an earlier upload.
    pub reused: u64,
    place: Place,
    parts: Vec<Part>,
    began: Instant,
}

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

/// A multipart upload has at least one part, so content without bytes can't be one.
#[derive(Debug, Clone)]
enum Place {
    Upload(UploadTicket),
    Empty(ContentKey),
}

/// A part that the store has, with the hashes of its pieces.
struct SentPart {
    part: Part,
    crc64nvme: Crc64,
    pieces: Vec<PieceHash>,
    was_there: bool,
}

impl Store {
    /// Uploads outputs as the content of an artifact: [`Self::send`] and [`Self::finish`].
    ///
    /// # Errors
    /// Theirs.
    pub async fn upload(
        &self,
        key: &ContentKey,
        outputs: Outputs,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<Uploaded, Error> {
        let to = Destination::New(key.clone());
        self.finish(self.send(to, outputs, progress, stop).await?).await
    }

    /// Sends outputs, reading every byte once. `progress` gets the bytes that the store has. What a failed or stopped
    /// one has sent stays in the store, for the next to go on with ([`Destination::Left`]) or to be aborted
    /// ([`Self::abort_upload`]); only if the files are at fault it is aborted at once.
    ///
    /// # Errors
    /// Refuses outputs that make no artifact or change meanwhile, and fails when the store does.
    pub async fn send(
        &self,
        to: Destination,
        outputs: Outputs,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<Sent, Error> {
        let began = Instant::now();
        let plan = tokio::task::spawn_blocking(move || Plan::new(outputs)).await??;
        let work = Box::pin(self.send_plan(to, Arc::new(plan), &progress, began));
        stop.run_until_cancelled(work)
            .await
            .unwrap_or(Err(Error::Cancelled))
    }

    /// Makes what was sent the content at its key, where nothing may be yet.
    ///
    /// # Errors
    /// Fails when the store does, or has other parts by now.
    pub async fn finish(&self, sent: Sent) -> Result<Uploaded, Error> {
        let content_key = match sent.place {
            Place::Empty(key) => {
                self.put(&key.object(), Bytes::new()).await?;
                key
            }
            Place::Upload(ticket) => {
                self.complete_upload(&ticket, &sent.parts, sent.crc64nvme, Existing::Stays)
                    .await?;
                ticket.key
            }
        };
        Ok(Uploaded {
            manifest: sent.manifest,
            content_key,
            crc64nvme: sent.crc64nvme,
            took: sent.began.elapsed(),
        })
    }

    async fn send_plan(
        &self,
        to: Destination,
        plan: Arc<Plan>,
        progress: &watch::Sender<u64>,
        began: Instant,
    ) -> Result<Sent, Error> {
        let (place, sent) = match to {
            Destination::New(key) if plan.total() == 0 => (Place::Empty(key), Vec::new()),
            Destination::New(key) => {
                let ticket = self.create_upload(&key).await?;
                failpoint::reach(Point::WorkerUploadBegun);
                let sent = self.send_parts(&ticket, &plan, BTreeMap::new(), progress).await?;
                (Place::Upload(ticket), sent)
            }
            Destination::Left(ticket) if plan.total() == 0 => {
                self.abort_upload(&ticket).await?;
                (Place::Empty(ticket.key), Vec::new())
            }
            Destination::Left(ticket) => {
                let there = self.parts(&ticket).await?;
                let there = there.into_iter().map(|part| (part.number, part)).collect();
                let sent = self.send_parts(&ticket, &plan, there, progress).await?;
                (Place::Upload(ticket), sent)
            }
        };
        let crc64nvme = sent.iter().fold(Crc64::empty(), |crc, sent| {
            crc.followed_by(sent.crc64nvme, sent.part.length)
        });
        let there = sent.iter().filter(|sent| sent.was_there);
        let reused = there.map(|sent| sent.part.length).sum();
        let (parts, pieces): (Vec<Part>, Vec<_>) =
            sent.into_iter().map(|sent| (sent.part, sent.pieces)).unzip();
        let pieces = pieces.into_iter().flatten().collect();
        Ok(Sent {
            manifest: plan.manifest.clone().finish(pieces).map_err(Error::Outputs)?,
            crc64nvme,
            reused,
            place,
            parts,
            began,
        })
    }

    /// All parts, in order. What is `there` and equals the files is not sent again.
    async fn send_parts(
        &self,
        ticket: &UploadTicket,
        plan: &Arc<Plan>,
        there: BTreeMap<i32, Part>,
        progress: &watch::Sender<u64>,
    ) -> Result<Vec<SentPart>, Error> {
        let sent = self.send_each(ticket, plan, there, progress).await;
        if sent.as_ref().is_err_and(Error::is_of_files)
            && let Err(error) = self.abort_upload(ticket).await
        {
            tracing::warn!(store.key = %ticket.key, %error, "an upload of changed files could not be aborted");
        }
        sent
    }

    async fn send_each(
        &self,
        ticket: &UploadTicket,
        plan: &Arc<Plan>,
        mut there: BTreeMap<i32, Part>,
        progress: &watch::Sender<u64>,
    ) -> Result<Vec<SentPart>, Error> {
        let (window, mut waiting) = (SharedWindow::new(), 0..plan.part_count());
        let (mut sending, mut sent) = (FuturesUnordered::new(), BTreeMap::new());
        loop {
            // Each is in memory from its read to the store's answer, so the window bounds that too.
            while sending.len() < window.size()
                && let Some(part) = waiting.next()
            {
                // At most CONTENT_LENGTH_MAX / PART_LENGTH = 4096 parts.
                let number = part as i32 + 1;
                let (window, left) = (&window, there.remove(&number));
                sending.push(Box::pin(async move {
                    let plan = plan.clone();
                    let read = tokio::task::spawn_blocking(move || plan.read_part(part)).await??;
                    self.send_part(ticket, number, read, left, window).await
                }));
            }
            let Some(done) = sending.next().await else { break };
            let done = done?;
            progress.send_modify(|bytes| *bytes += done.part.length);
            sent.insert(done.part.number, done);
        }
        let files = plan.clone();
        tokio::task::spawn_blocking(move || files.check_unchanged()).await??;
        Ok(sent.into_values().collect())
    }

    async fn send_part(
        &self,
        ticket: &UploadTicket,
        number: i32,
        read: ReadPart,
        left: Option<Part>,
        window: &SharedWindow,
    ) -> Result<SentPart, Error> {
        let (length, crc64nvme) = (read.bytes.as_ref().len() as u64, read.crc64nvme);
        let same = |part: &Part| part.length == length && part.crc64nvme == Some(crc64nvme);
        let left = left.filter(same);
        let was_there = left.is_some();
        let part = match left {
            Some(part) => part,
            None => {
                let bytes = (read.bytes.freeze(), crc64nvme);
                let part = self.put_part_patiently(ticket, number, bytes, window).await?;
                failpoint::reach(Point::WorkerPartSent);
                part
            }
        };
        Ok(SentPart {
            part,
            crc64nvme,
            pieces: read.pieces,
            was_there,
        })
    }
}
