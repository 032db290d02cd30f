//! The second half of an attempt: the outputs become an artifact.

use super::{Attempt, Published};
use crate::fault::{Fault, chain};
use crate::pack;
use artifact::Provenance;
use artifact_store::{ContentKey, Outputs, StoredManifest, Uploaded};
use model::Phase;
use std::time::Duration;
use tokio::sync::watch;

/// How often the progress of an upload is recorded.
const REPORT_EVERY: Duration = Duration::from_millis(500);

impl Attempt<'_> {
    /// UPLOAD: the outputs are hashed and sent in one pass.
    pub(super) async fn upload(&self, files: pack::Files) -> Result<Uploaded, Fault> {
        let _timer = self.begin(Phase::Upload).await?;
        let (claim, store) = (self.claim, &self.workshop.parts.store);
        self.abort_earlier_uploads().await?;
        let total = files.iter().map(|(entry, _)| entry.length).sum();
        self.log
            .say(&format!("uploading {} files, {total} bytes", files.len()))
            .await;
        let outputs = Outputs {
            files,
            provenance: Provenance {
                repository: claim.repository.clone(),
                commit: claim.commit.clone(),
                target: claim.target.clone(),
            },
        };
        let key = ContentKey::of_attempt(claim.build, claim.lease);
        let (progress, seen) = watch::channel(0);
        let upload = Box::pin(store.upload(&key, outputs, progress, self.stop.clone()));
        let (uploaded, reported) = tokio::join!(upload, self.report(seen, total));
        let uploaded = uploaded.map_err(store_fault)?;
        reported?;
        Ok(uploaded)
    }

    /// Records progress until the upload drops the sending end. A lost lease cancels the upload by way
    /// of whoever watches it.
    async fn report(&self, mut seen: watch::Receiver<u64>, total: u64) -> Result<(), Fault> {
        while seen.changed().await.is_ok() {
            let done = *seen.borrow_and_update();
            self.lease.progress(done, total).await?;
            tokio::time::sleep(REPORT_EVERY).await;
        }
        Ok(())
    }

    /// Whatever an earlier attempt at this build began to upload is dead: this attempt holds the lease.
    async fn abort_earlier_uploads(&self) -> Result<(), Fault> {
        let store = &self.workshop.parts.store;
        let prefix = format!("{}-", self.claim.build);
        let is_earlier =
            |upload: &artifact_store::Unfinished| upload.ticket.key.as_str().starts_with(&prefix);
        let aborted = store.abort_unfinished(is_earlier).await.map_err(store_fault)?;
        if aborted > 0 {
            tracing::info!(
                uploads = aborted,
                "aborted what an earlier attempt left unfinished"
            );
        }
        Ok(())
    }

    /// PUBLISH: the signed manifest, from when on the artifact can be read. It counts once the build is
    /// recorded as SUCCEEDED, which is the caller's last step.
    pub(super) async fn publish(&self, uploaded: Uploaded) -> Result<Published, Fault> {
        let _timer = self.begin(Phase::Publish).await?;
        let parts = &self.workshop.parts;
        let (artifact, total) = (uploaded.manifest.id(), uploaded.manifest.total_length());
        let signed = parts.signing_key.sign(&uploaded.manifest);
        let there = parts.store.get_manifest(&artifact).await.map_err(store_fault)?;
        // The same bytes may have been published by an earlier build; its content stays where it is.
        if there.is_none_or(|there| there.signed.key() != signed.key()) {
            let manifest = StoredManifest {
                signed,
                content_key: uploaded.content_key,
                crc64nvme: uploaded.crc64nvme,
                total,
            };
            parts.store.put_manifest(&manifest).await.map_err(store_fault)?;
        }
        self.log.say(&format!("published artifact {artifact}")).await;
        Ok(Published { artifact, total })
    }
}

/// Whose fault a store's error is.
fn store_fault(error: artifact_store::Error) -> Fault {
    use artifact_store::Error;
    match error {
        Error::Cancelled => Fault::Stopped,
        Error::Outputs(_) | Error::FileChanged(_) => Fault::Build(chain(&error)),
        error => Fault::infrastructure("store the artifact")(error),
    }
}
