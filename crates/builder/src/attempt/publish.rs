//! The second half of an attempt: the outputs become an artifact.

use super::Attempt;
use crate::fault::{Fault, chain};
use crate::pack;
use crate::publishing::{Addresses, Outcome, Publishing};
use artifact::Provenance;
use artifact_store::publishing::{BegunUpload, Publication};
use artifact_store::{Error, Outputs, PlannedOutputs, Sent};
use database::jobs::Made;
use failpoint::Point;
use model::Phase;
use std::time::Duration;
use tokio::sync::watch;

/// What the outputs have become.
pub(super) enum Stored {
    /// Content that nobody has published yet.
    New(Box<Publication>),
    /// The artifact that an earlier build of the same has published.
    Earlier(Made),
}

/// How often it is asked whether an artifact is still being removed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often the progress of an upload is recorded.
const REPORT_EVERY: Duration = Duration::from_millis(500);

impl<'a> Attempt<'a> {
    pub(super) fn publishing(&self) -> Publishing<'a> {
        Publishing::new(&self.workshop.parts.publishing, self.lease)
    }

    /// UPLOAD: the outputs are hashed and sent in one pass, unless they are in the store already.
    pub(super) async fn upload(&self, files: pack::Files) -> Result<Stored, Fault> {
        let _timer = self.begin(Phase::Upload).await?;
        let claim = self.claim;
        let outputs = Outputs {
            files,
            provenance: Provenance {
                repository: claim.repository.clone(),
                commit: claim.commit.clone(),
                target: claim.target.clone(),
            },
        };
        let count = outputs.files.len();
        let outputs = self.unless_stopped(outputs.plan()).await?.map_err(store_fault)?;
        let total = outputs.total();
        self.log
            .say(&format!("uploading {count} files, {total} bytes"))
            .await;
        if let Some(earlier) = self.unless_stopped(self.published_earlier(&outputs)).await?? {
            let artifact = earlier.artifact;
            self.log
                .say(&format!("the same is in the store already: artifact {artifact}"))
                .await;
            return Ok(Stored::Earlier(earlier));
        }
        let (upload, sent) = self.send(outputs).await?;
        if sent.reused > 0 {
            let reused = sent.reused;
            self.log
                .say(&format!(
                    "{reused} bytes were in the store, left by an earlier attempt"
                ))
                .await;
        }
        failpoint::reach(Point::WorkerAllSent);
        self.lease.progress(total, total).await?;
        Ok(Stored::New(Box::new(Publication {
            upload: upload.map(|begun| begun.upload),
            content: sent.content,
            manifest: sent.manifest,
        })))
    }

    /// The artifact of an earlier build of the same target at the same commit, if the outputs are the same bytes and
    /// the store still has them. A build that nobody built before is not read for this, and one that differs only as far
    /// as it is the same.
    async fn published_earlier(&self, outputs: &PlannedOutputs) -> Result<Option<Made>, Fault> {
        let earlier = self.workshop.parts.jobs.earlier_artifact(self.claim.build).await;
        let Some(artifact) = earlier.map_err(Fault::infrastructure("ask what was built before"))? else {
            return Ok(None);
        };
        let Some(manifest) = self.publishing().standing(&artifact).await? else {
            return Ok(None);
        };
        let total_bytes = manifest.total_length();
        let is_same = outputs.are(manifest).await.map_err(store_fault)?;
        Ok(is_same.then_some(Made {
            artifact,
            total_bytes,
        }))
    }

    /// Sends the outputs to an upload that was begun for this attempt; to none if they have no bytes.
    async fn send(&self, outputs: PlannedOutputs) -> Result<(Option<BegunUpload>, Sent), Fault> {
        let (publishing, total) = (self.publishing(), outputs.total());
        let upload = if total > 0 {
            Some(self.unless_stopped(publishing.begin()).await??)
        } else {
            None
        };
        failpoint::reach(Point::WorkerUploadBegun);
        let addresses = Addresses {
            publishing,
            upload: upload.as_ref().map(|begun| &begun.upload),
        };
        let there = upload.iter().flat_map(|begun| begun.there.clone()).collect();
        let (progress, seen) = watch::channel(0);
        let sender = &self.workshop.parts.sender;
        let sending = Box::pin(sender.send(&addresses, outputs, there, progress, self.stop.clone()));
        let (sent, reported) = tokio::join!(sending, self.report(seen, total));
        if let Some(begun) = &upload
            && sent.as_ref().is_err_and(Error::is_of_files)
        {
            // No attempt would go on with these files.
            let aborted = publishing.abort(begun.upload.clone());
            self.unless_stopped(aborted).await??;
        }
        let sent = sent.map_err(store_fault)?;
        reported?;
        Ok((upload, sent))
    }

    /// Records progress until the upload drops the sending end. A lost lease cancels the upload by way
    /// of whoever watches it.
    async fn report(&self, mut seen: watch::Receiver<u64>, total: u64) -> Result<(), Fault> {
        while seen.changed().await.is_ok() {
            let done = *seen.borrow_and_update();
            self.lease.progress(done, total).await?;
            // A rest that ends with the upload: a small one takes no longer because it is reported on.
            let ended = seen.wait_for(|_| false);
            if tokio::time::timeout(REPORT_EVERY, ended).await.is_ok() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// PUBLISH: the API completes the upload and signs, from when on the artifact can be read. It counts once the build is
    /// recorded as SUCCEEDED, which is the caller's last step.
    pub(super) async fn publish(&self, publication: &Publication) -> Result<Made, Fault> {
        let _timer = self.begin(Phase::Publish).await?;
        let mut waits = false;
        let made = loop {
            match self
                .unless_stopped(self.publishing().publish(publication))
                .await??
            {
                Outcome::Published(made) => break made,
                Outcome::BeingRemoved => {
                    if !std::mem::replace(&mut waits, true) {
                        self.log
                            .say("the same artifact is just being removed, waiting for that")
                            .await;
                    }
                    self.unless_stopped(tokio::time::sleep(LOOK_AGAIN_AFTER)).await?;
                }
            }
        };
        failpoint::reach(Point::WorkerPublished);
        let artifact = made.artifact;
        self.log.say(&format!("published artifact {artifact}")).await;
        Ok(made)
    }
}

/// Whose fault an error of sending is.
fn store_fault(error: Error) -> Fault {
    match error {
        Error::Cancelled => Fault::Stopped,
        error if error.is_of_files() => Fault::Build(chain(&error)),
        error => Fault::infrastructure("store the artifact")(error),
    }
}
