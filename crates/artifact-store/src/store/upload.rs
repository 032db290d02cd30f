//! Uploading a build's outputs: read, hash and send in one pass.

use super::outputs::{Plan, ReadPart};
use super::sending::SharedWindow;
use super::{Content, ContentKey, Crc64, Error, Outputs, Part, PartAddress, PartOrder, PartSender};
use super::{PartSigner, PlannedOutputs, Store, UploadTicket};
use artifact::{Manifest, PieceHash};
use failpoint::Point;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long an address is good for that is signed by whoever sends the part.
const OWN_ADDRESS_LIFETIME: Duration = Duration::from_secs(300);

/// All bytes are in the store; the content isn't, before [`Store::complete`].
#[derive(Debug, Clone)]
pub struct Sent {
    /// What was sent; nobody signed it yet.
    pub manifest: Manifest,
    /// The parts that it was sent in.
    pub content: Content,
    /// Bytes that were there already, left by an earlier upload.
    pub reused: u64,
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
}

/// A part that the store has, with the hashes of its pieces.
struct SentPart {
    part: Part,
    crc64nvme: Crc64,
    pieces: Vec<PieceHash>,
    was_there: bool,
}

/// One upload that is sent to.
struct Sending<'a> {
    sender: &'a PartSender,
    signer: &'a dyn PartSigner,
    plan: Arc<Plan>,
    window: SharedWindow,
}

/// Whoever has the credentials signs for itself; content without bytes has no upload, and no parts.
struct OwnSigner<'a>(&'a Store, Option<&'a UploadTicket>);

#[async_trait::async_trait]
impl PartSigner for OwnSigner<'_> {
    async fn sign(&self, order: &PartOrder) -> Result<PartAddress, Error> {
        let Self(store, upload) = self;
        let ticket = upload.ok_or(Error::PartOrder(*order))?;
        store.presign_part(ticket, order, OWN_ADDRESS_LIFETIME).await
    }
}

impl Store {
    /// Uploads outputs as the content of an artifact, for whoever has the store's credentials: begins an upload,
    /// [sends](Store::send) and [completes](Store::complete). What fails is left, unless the files are at fault.
    ///
    /// # Errors
    /// Theirs.
    pub async fn upload(
        &self,
        sender: &PartSender,
        key: &ContentKey,
        outputs: Outputs,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<Uploaded, Error> {
        let outputs = outputs.plan().await?;
        let total = outputs.total();
        let upload = if total > 0 {
            Some(self.create_upload(key).await?)
        } else {
            None
        };
        let upload = upload.as_ref();
        let sent = self.send(sender, upload, outputs, progress, stop).await?;
        self.complete(key, upload, &sent.content, total).await?;
        Ok(Uploaded {
            manifest: sent.manifest,
            content_key: key.clone(),
            crc64nvme: sent.content.crc64nvme,
        })
    }

    /// Sends outputs to an upload, for whoever has the store's credentials; to none if they have no bytes. What the store
    /// has of it already is gone on with; if the files are at fault, it is aborted.
    ///
    /// # Errors
    /// As [`PartSender::send`].
    pub async fn send(
        &self,
        sender: &PartSender,
        upload: Option<&UploadTicket>,
        outputs: PlannedOutputs,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<Sent, Error> {
        let there = match upload {
            Some(ticket) => self.parts(ticket).await?,
            None => Vec::new(),
        };
        let signer = OwnSigner(self, upload);
        let sent = sender.send(&signer, outputs, there, progress, stop).await;
        if let Some(ticket) = upload
            && sent.as_ref().is_err_and(Error::is_of_files)
        {
            self.abort_upload(ticket).await?;
        }
        sent
    }
}

impl PartSender {
    /// Sends outputs, reading every byte once. A part that is `there` counts once it was compared with the files: they
    /// are read and hashed anyway, so only the sending is spared. `progress` gets the bytes that the store has. What a
    /// failed or stopped one has sent stays in the store, for the next to go on with or to be aborted.
    ///
    /// # Errors
    /// Refuses files that changed meanwhile, and fails when the store or the signer does.
    pub async fn send(
        &self,
        signer: &dyn PartSigner,
        outputs: PlannedOutputs,
        there: Vec<Part>,
        progress: watch::Sender<u64>,
        stop: CancellationToken,
    ) -> Result<Sent, Error> {
        let work = Box::pin(async {
            let sending = Sending {
                sender: self,
                signer,
                plan: outputs.0,
                window: SharedWindow::new(),
            };
            let there = there.into_iter().map(|part| (part.number, part)).collect();
            let sent = sending.send_each(there, &progress).await?;
            put_together(&sending.plan, sent)
        });
        stop.run_until_cancelled(work)
            .await
            .unwrap_or(Err(Error::Cancelled))
    }
}

/// What was sent, from all parts in order.
fn put_together(plan: &Plan, sent: Vec<SentPart>) -> Result<Sent, Error> {
    let crc64nvme = sent.iter().fold(Crc64::empty(), |crc, sent| {
        crc.followed_by(sent.crc64nvme, sent.part.length)
    });
    let there = sent.iter().filter(|sent| sent.was_there);
    let reused = there.map(|sent| sent.part.length).sum();
    let (parts, pieces): (Vec<Part>, Vec<_>) = sent.into_iter().map(|sent| (sent.part, sent.pieces)).unzip();
    let pieces = pieces.into_iter().flatten().collect();
    Ok(Sent {
        manifest: plan.manifest.clone().finish(pieces).map_err(Error::Outputs)?,
        content: Content { parts, crc64nvme },
        reused,
    })
}

impl Sending<'_> {
    /// All parts, in order. What is `there` and equals the files is not sent again.
    async fn send_each(
        &self,
        mut there: BTreeMap<i32, Part>,
        progress: &watch::Sender<u64>,
    ) -> Result<Vec<SentPart>, Error> {
        let mut waiting = 0..self.plan.part_count();
        let (mut sending, mut sent) = (FuturesUnordered::new(), BTreeMap::new());
        loop {
            // Each is in memory from its read to the store's answer, so the window bounds that too.
            while sending.len() < self.window.size()
                && let Some(part) = waiting.next()
            {
                // At most CONTENT_LENGTH_MAX / PART_LENGTH = 4096 parts.
                let number = part as i32 + 1;
                let left = there.remove(&number);
                sending.push(Box::pin(async move {
                    let plan = self.plan.clone();
                    let read = tokio::task::spawn_blocking(move || plan.read_part(part)).await??;
                    self.send_part(number, read, left).await
                }));
            }
            let Some(done) = sending.next().await else { break };
            let done = done?;
            progress.send_modify(|bytes| *bytes += done.part.length);
            sent.insert(done.part.number, done);
        }
        let files = self.plan.clone();
        tokio::task::spawn_blocking(move || files.check_unchanged()).await??;
        Ok(sent.into_values().collect())
    }

    async fn send_part(&self, number: i32, read: ReadPart, left: Option<Part>) -> Result<SentPart, Error> {
        let (length, crc64nvme) = (read.bytes.as_ref().len() as u64, read.crc64nvme);
        let same = |part: &Part| part.length == length && part.crc64nvme == Some(crc64nvme);
        let left = left.filter(same);
        let was_there = left.is_some();
        let part = match left {
            Some(part) => part,
            None => {
                let bytes = read.bytes.freeze();
                let order = PartOrder {
                    number,
                    length,
                    crc64nvme,
                };
                let put = || self.sender.put(self.signer, order, bytes.clone());
                let part = self.window.send(&self.sender.patience, number, put).await?;
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
