//! The second half of an attempt: the outputs become an artifact.

use super::Attempt;
use super::takeover::Takeover;
use crate::fault::{Fault, chain};
use crate::pack;
use artifact::{BuildRun, Provenance, TrustedKeys};
use artifact_store::{ContentKey, Destination, Outputs, StoredManifest, Uploaded, Verification};
use database::jobs::Made;
use failpoint::Point;
use jiff::Timestamp;
use model::{ArtifactId, Phase};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// What the outputs have become.
pub(super) enum Stored {
    /// Content that nobody has published yet.
    New(Box<Uploaded>),
    /// The artifact that an earlier build of the same has published.
    Earlier(Made),
}

/// How often it is asked whether an artifact is still being removed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often the progress of an upload is recorded.
const REPORT_EVERY: Duration = Duration::from_millis(500);

impl Attempt<'_> {
    /// UPLOAD: the outputs are hashed and sent in one pass, unless they are in the store already.
    pub(super) async fn upload(&self, files: pack::Files) -> Result<Stored, Fault> {
        let _timer = self.begin(Phase::Upload).await?;
        let (claim, store) = (self.claim, &self.workshop.parts.store);
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
        if let Some(earlier) = self.unless_stopped(self.published_earlier(&outputs)).await?? {
            self.log
                .say(&format!(
                    "the same is in the store already: artifact {}",
                    earlier.artifact
                ))
                .await;
            return Ok(Stored::Earlier(earlier));
        }
        let to = self.unless_stopped(self.destination()).await??;
        let (progress, seen) = watch::channel(0);
        let sending = Box::pin(store.send(to, outputs, progress, self.stop.clone()));
        let (sent, reported) = tokio::join!(sending, self.report(seen, total));
        let sent = sent.map_err(store_fault)?;
        reported?;
        if sent.reused > 0 {
            let reused = sent.reused;
            self.log
                .say(&format!(
                    "{reused} bytes were in the store, left by an earlier attempt"
                ))
                .await;
        }
        failpoint::reach(Point::WorkerAllSent);
        // Whoever lost the lease may not complete what another may have gone on with.
        self.lease.progress(total, total).await?;
        let uploaded = self
            .unless_stopped(store.finish(sent))
            .await?
            .map_err(store_fault)?;
        failpoint::reach(Point::WorkerUploaded);
        Ok(Stored::New(Box::new(uploaded)))
    }

    /// The artifact of an earlier build of the same target at the same commit, if the outputs are the same bytes and
    /// the store still has them. A build that nobody built before is not read for this, and one that differs only as far
    /// as it is the same.
    async fn published_earlier(&self, outputs: &Outputs) -> Result<Option<Made>, Fault> {
        let parts = &self.workshop.parts;
        let earlier = parts.jobs.earlier_artifact(self.claim.build).await;
        let Some(artifact) = earlier.map_err(Fault::infrastructure("ask what was built before"))? else {
            return Ok(None);
        };
        if !self.lease.set_out(&artifact).await? {
            // It is just being removed.
            return Ok(None);
        }
        let stored = parts.store.get_manifest(&artifact).await.map_err(store_fault)?;
        let Some(stored) = stored else { return Ok(None) };
        let trusted = TrustedKeys::new([parts.signing_key.public()]);
        // What another key has signed is signed anew, and so published anew.
        let Some(manifest) = trusted
            .ok()
            .and_then(|trusted| trusted.verify(&stored.signed).ok())
        else {
            return Ok(None);
        };
        let total_bytes = manifest.total_length();
        let is_same = self
            .unless_stopped(outputs.are(manifest))
            .await?
            .map_err(store_fault)?;
        let is_there = is_same && {
            let found = parts.store.verify(&artifact).await.map_err(store_fault)?;
            found == Verification::Matches
        };
        Ok(is_there.then_some(Made {
            artifact,
            total_bytes,
        }))
    }

    /// On with what an earlier attempt left, or to a new place. What else was left is aborted: this attempt holds the
    /// lease.
    async fn destination(&self) -> Result<Destination, Fault> {
        let (claim, store) = (self.claim, &self.workshop.parts.store);
        let left = store.unfinished(&format!("{}-", claim.build)).await;
        let takeover = Takeover::of(left.map_err(store_fault)?, claim.build, claim.lease);
        for ticket in &takeover.abort {
            store.abort_upload(ticket).await.map_err(store_fault)?;
            tracing::info!(store.key = %ticket.key, "aborted what an earlier attempt left unfinished");
        }
        Ok(match takeover.resume {
            Some(ticket) => Destination::Left(ticket),
            None => Destination::New(ContentKey::of_attempt(claim.build, claim.lease)),
        })
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

    /// PUBLISH: the signed manifest, from when on the artifact can be read. It counts once the build is
    /// recorded as SUCCEEDED, which is the caller's last step.
    pub(super) async fn publish(&self, uploaded: Uploaded) -> Result<Made, Fault> {
        let _timer = self.begin(Phase::Publish).await?;
        let parts = &self.workshop.parts;
        let (artifact, total) = (uploaded.manifest.id(), uploaded.manifest.total_length());
        let signed = parts
            .signing_key
            .sign(&uploaded.manifest, self.run())
            .map_err(Fault::infrastructure("sign the provenance"))?;
        self.set_out(&artifact).await?;
        failpoint::reach(Point::WorkerSetOut);
        let ours = uploaded.content_key;
        match self.published_content(&artifact).await? {
            // By an earlier build of the same bytes; its content stays where it is, and nothing names ours.
            Some(theirs) if theirs != ours => {
                parts.store.remove_unpublished(&ours).await.map_err(store_fault)?;
            }
            Some(_) => {}
            None => {
                let manifest = StoredManifest {
                    signed,
                    content_key: ours,
                    crc64nvme: uploaded.crc64nvme,
                    total,
                };
                parts.store.put_manifest(&manifest).await.map_err(store_fault)?;
                failpoint::reach(Point::WorkerPublished);
            }
        }
        self.log.say(&format!("published artifact {artifact}")).await;
        Ok(Made {
            artifact,
            total_bytes: total,
        })
    }

    /// Sets out to publish, once nobody removes the artifact.
    async fn set_out(&self, artifact: &ArtifactId) -> Result<(), Fault> {
        if self.lease.set_out(artifact).await? {
            return Ok(());
        }
        self.log
            .say("the same artifact is just being removed, waiting for that")
            .await;
        while !self.lease.set_out(artifact).await? {
            self.unless_stopped(tokio::time::sleep(LOOK_AGAIN_AFTER)).await?;
        }
        Ok(())
    }

    /// Where the artifact's content is, if it is published, whole, and signed with today's key.
    async fn published_content(&self, artifact: &ArtifactId) -> Result<Option<ContentKey>, Fault> {
        let parts = &self.workshop.parts;
        let stored = parts.store.get_manifest(artifact).await.map_err(store_fault)?;
        let ours = parts.signing_key.public().id();
        let Some(stored) = stored.filter(|stored| stored.signed.names_key(ours)) else {
            return Ok(None);
        };
        let found = parts.store.verify(artifact).await.map_err(store_fault)?;
        Ok((found == Verification::Matches).then_some(stored.content_key))
    }

    /// What is said of this attempt in the provenance of what it made. A secret is never among it: addresses
    /// of repositories hold no passwords, and of the environment only the worker's own words are told.
    fn run(&self) -> BuildRun {
        let (claim, config) = (self.claim, &self.workshop.config);
        let environment = [
            ("worker", config.name.to_string()),
            ("host", config.host.clone()),
            ("attempt", claim.attempt.0.to_string()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let key = self.workshop.parts.signing_key.public().id();
        BuildRun {
            builder: format!("urn:starling:builder:{key}"),
            version: Some(config.version.clone()),
            source: Some(claim.url.to_string()),
            revision: Some(claim.revision.to_string()),
            invocation: Some(format!("{}/{}", claim.build, claim.lease)),
            started_on: Some(self.began_at),
            finished_on: Some(Timestamp::now()),
            environment: BTreeMap::from(environment),
        }
    }
}

/// Whose fault a store's error is.
pub(super) fn store_fault(error: artifact_store::Error) -> Fault {
    use artifact_store::Error;
    match error {
        Error::Cancelled => Fault::Stopped,
        error if error.is_of_files() => Fault::Build(chain(&error)),
        error => Fault::infrastructure("store the artifact")(error),
    }
}
