//! Publishing for workers, who have the files and no credentials.
//!
//! A worker's upload is begun, addressed part by part, completed and aborted here, and what it sent is signed and made an
//! artifact here. Each step is asked for by an attempt that holds its lease at that moment, and may be asked for again:
//! an answer that got lost changes nothing. Nothing is kept between two steps but what the store and the database keep,
//! so any API may take the next one.

mod takeover;

use crate::metrics;
use crate::refusal::{PublishingRefused, Refusal};
use artifact::{BuildRun, Manifest, Provenance, SigningKey, TrustedKeys};
use artifact_store::publishing::{BegunUpload, Publication};
use artifact_store::{ContentKey, PartAddress, PartOrder, Store, StoredManifest, UploadTicket, Verification};
use database::Jobs;
use database::jobs::{Holding, Made};
use failpoint::Point;
use jiff::Timestamp;
use model::ArtifactId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use takeover::Takeover;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long an address for a part is good for. It is asked for right before the part is sent.
const ADDRESS_LIFETIME: Duration = Duration::from_secs(300);
/// Publications at once, each of up to [`Publication::LENGTH_MAX`] bytes.
const AT_ONCE_MAX: usize = 8;
/// How long a publication waits for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(20);

/// Publishes for workers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    jobs: Jobs,
    store: Store,
    key: Arc<SigningKey>,
    places: Arc<Semaphore>,
}

impl Publisher {
    pub(crate) fn new(jobs: Jobs, store: Store, key: SigningKey) -> Self {
        Self {
            jobs,
            store,
            key: Arc::new(key),
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }

    /// A turn to publish in, until it is dropped.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = tokio::time::timeout(TURN_WAIT_MAX, Arc::clone(&self.places).acquire_owned());
        // Nobody closes the semaphore.
        let turn = turn.await.ok().and_then(Result::ok);
        turn.ok_or_else(|| PublishingRefused::Busy.into())
    }

    /// On with what an earlier attempt left, or a new upload. What else was left is aborted: this attempt holds the
    /// lease.
    pub(crate) async fn begin(&self, held: &Holding) -> Result<BegunUpload, Refusal> {
        let left = self.store.unfinished(&format!("{}-", held.build)).await?;
        let takeover = Takeover::of(left, held.build, held.lease);
        for ticket in &takeover.abort {
            self.store.abort_upload(ticket).await?;
            tracing::info!(store.key = %ticket.key, "aborted what an earlier attempt left unfinished");
        }
        let begun = match takeover.resume {
            Some(upload) => BegunUpload {
                there: self.store.parts(&upload).await?,
                upload,
            },
            None => {
                let key = ContentKey::of_attempt(held.build, held.lease);
                BegunUpload {
                    upload: self.store.create_upload(&key).await?,
                    there: Vec::new(),
                }
            }
        };
        failpoint::reach(Point::ApiUploadBegun);
        Ok(begun)
    }

    /// An address for one part of an upload of this build.
    pub(crate) async fn address(
        &self,
        held: &Holding,
        upload: &UploadTicket,
        part: &PartOrder,
    ) -> Result<PartAddress, Refusal> {
        check_owner(held, upload)?;
        Ok(self.store.presign_part(upload, part, ADDRESS_LIFETIME).await?)
    }

    /// Forgets an upload of this build.
    pub(crate) async fn abort(&self, held: &Holding, upload: &UploadTicket) -> Result<(), Refusal> {
        check_owner(held, upload)?;
        Ok(self.store.abort_upload(upload).await?)
    }

    /// The manifest of an artifact that the attempt may take over: it is published, whole, signed with today's key, and
    /// from now on nobody removes it.
    pub(crate) async fn standing(
        &self,
        held: &Holding,
        artifact: &ArtifactId,
    ) -> Result<Option<Manifest>, Refusal> {
        if !self.jobs.set_out(held.build, held.lease, artifact).await? {
            return Ok(None);
        }
        Ok(self.published(artifact).await?.map(|(_, manifest)| manifest))
    }

    /// Makes what was sent an artifact: the content is completed first, and the signed manifest stored last, from when on
    /// the artifact can be read. It counts once the build has [succeeded](Self::succeed).
    pub(crate) async fn publish(&self, held: &Holding, publication: Publication) -> Result<Made, Refusal> {
        let Publication {
            upload,
            content,
            manifest,
        } = publication;
        if *manifest.provenance() != provenance(held) {
            return Err(PublishingRefused::OtherBuild.into());
        }
        let key = match &upload {
            Some(ticket) => {
                check_owner(held, ticket)?;
                ticket.key.clone()
            }
            None => ContentKey::of_attempt(held.build, held.lease),
        };
        let (artifact, total) = (manifest.id(), manifest.total_length());
        if !self.jobs.set_out(held.build, held.lease, &artifact).await? {
            return Err(PublishingRefused::BeingRemoved(artifact).into());
        }
        failpoint::reach(Point::ApiSetOut);
        match self.published(&artifact).await? {
            // By an earlier build of the same bytes; its content stays where it is, and nothing names ours.
            Some((theirs, _)) if theirs != key => {
                if let Some(ticket) = &upload {
                    self.store.abort_upload(ticket).await?;
                }
                self.store.remove_unpublished(&key).await?;
            }
            // By this attempt, whose answer got lost.
            Some(_) => {}
            None => {
                self.store
                    .complete(&key, upload.as_ref(), &content, total)
                    .await?;
                failpoint::reach(Point::ApiUploadCompleted);
                let signed = self.key.sign(&manifest, self.run(held));
                let stored = StoredManifest {
                    signed: signed.map_err(|error| Refusal::Internal(Box::new(error)))?,
                    content_key: key,
                    crc64nvme: content.crc64nvme,
                    total,
                };
                self.store.put_manifest(&stored).await?;
                failpoint::reach(Point::ApiPublished);
            }
        }
        metrics::published();
        Ok(Made {
            artifact,
            total_bytes: total,
        })
    }

    /// Records that the build has succeeded, if the artifact stands: of the same repository and target, and signed with
    /// today's key. The last step; the lease is gone with it.
    pub(crate) async fn succeed(&self, held: &Holding, artifact: &ArtifactId) -> Result<(), Refusal> {
        let free = self.jobs.set_out(held.build, held.lease, artifact).await?;
        let signed = if free { self.signed(artifact).await? } else { None };
        let made_here = |(_, manifest): &(StoredManifest, Manifest)| {
            let Provenance {
                repository, target, ..
            } = manifest.provenance();
            (repository, target) == (&held.repository, &held.target)
        };
        let (_, manifest) = signed
            .filter(made_here)
            .ok_or(PublishingRefused::NotPublished(*artifact))?;
        let made = Made {
            artifact: *artifact,
            total_bytes: manifest.total_length(),
        };
        self.jobs.succeed_with(held.build, held.lease, Some(made)).await?;
        failpoint::reach(Point::ApiSucceeded);
        Ok(())
    }

    /// Where an artifact's content is, and its manifest, if it is published, whole, and signed with today's key.
    async fn published(&self, artifact: &ArtifactId) -> Result<Option<(ContentKey, Manifest)>, Refusal> {
        let Some((stored, manifest)) = self.signed(artifact).await? else {
            return Ok(None);
        };
        let found = self.store.compare(&stored).await?;
        Ok((found == Verification::Matches).then_some((stored.content_key, manifest)))
    }

    /// The manifest of an artifact that is signed with today's key. What another key has signed is signed anew, and so
    /// published anew.
    async fn signed(&self, artifact: &ArtifactId) -> Result<Option<(StoredManifest, Manifest)>, Refusal> {
        let Some(stored) = self.store.get_manifest(artifact).await? else {
            return Ok(None);
        };
        let trusted = TrustedKeys::new([self.key.public()]).ok();
        let verified = trusted.and_then(|trusted| trusted.verify(&stored.signed).ok());
        Ok(verified.map(|manifest| (stored, Manifest::clone(&manifest))))
    }

    /// What is said of the attempt in the provenance of what it made. Nothing secret is among it: addresses of
    /// repositories hold no passwords, and of the environment only what the worker says of itself is told.
    fn run(&self, held: &Holding) -> BuildRun {
        let environment = [
            ("worker", Some(held.worker.to_string())),
            ("host", held.host.clone()),
            ("attempt", Some(held.attempt.0.to_string())),
        ];
        let environment = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        BuildRun {
            builder: format!("urn:starling:builder:{}", self.key.public().id()),
            version: held.worker_version.clone(),
            source: Some(held.url.to_string()),
            revision: Some(held.revision.to_string()),
            invocation: Some(format!("{}/{}", held.build, held.lease)),
            started_on: Some(held.claimed_at),
            finished_on: Some(Timestamp::now()),
            environment: environment.collect::<BTreeMap<_, _>>(),
        }
    }
}

fn provenance(held: &Holding) -> Provenance {
    Provenance {
        repository: held.repository.clone(),
        commit: held.commit.clone(),
        target: held.target.clone(),
    }
}

/// An attempt may touch the uploads of its own build, those that earlier attempts began among them.
fn check_owner(held: &Holding, upload: &UploadTicket) -> Result<(), Refusal> {
    match upload.key.attempt() {
        Some((build, lease)) if build == held.build && lease <= held.lease => Ok(()),
        _ => Err(PublishingRefused::OtherBuild.into()),
    }
}
