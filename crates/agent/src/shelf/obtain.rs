//! Getting one artifact: its manifest, the proof of who signed it, its bytes.

use super::disk;
use super::offers::{Offer, Offers};
use crate::managers::{Managers, Unanswered};
use artifact::{NotTrusted, SignedManifest, TrustedKeys, VerifiedManifest};
use model::ArtifactId;
use model::instance::Transfer;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use swarm::Donor;
use tokio_util::sync::CancellationToken;

/// What is needed to get artifacts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Obtain {
    pub(crate) folder: Arc<Path>,
    pub(crate) swarm: swarm::Handle,
    pub(crate) managers: Managers,
    pub(crate) trusted_keys: Arc<TrustedKeys>,
    pub(crate) offers: Offers,
}

/// An artifact that is here whole.
#[derive(Debug)]
pub(super) struct Obtained {
    pub(super) manifest: VerifiedManifest,
    pub(super) transfer: Transfer,
    pub(super) fetch: Arc<OnceLock<swarm::Fetch>>,
}

/// Why an artifact is not here.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotObtained {
    #[error("failed to get the manifest")]
    Unanswered(#[from] Unanswered),
    #[error("the manifest is refused")]
    NotTrusted(#[from] NotTrusted),
    #[error("the manager sent the manifest of artifact {}", .0.short())]
    OtherManifest(ArtifactId),
    #[error(
        "the disk of {folder} is too full: {bytes} bytes more must be free there; delete something or enlarge it"
    )]
    DiskFull { folder: String, bytes: u64 },
    #[error("failed to use the disk")]
    Disk(#[from] io::Error),
    #[error("failed to get the bytes")]
    Swarm(#[from] swarm::Error),
    #[error("it is no longer wanted")]
    Stopped,
    #[error("the file work panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

impl NotObtained {
    /// How many bytes must become free, if that is why; 0 where the disk did not say.
    pub(super) fn lacking_bytes(&self) -> Option<u64> {
        match self {
            Self::DiskFull { bytes, .. } => Some(*bytes),
            Self::Swarm(swarm::Error::DiskFull { .. }) => Some(0),
            Self::Disk(error) => {
                let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
                full.contains(&error.kind()).then_some(0)
            }
            _ => None,
        }
    }
}

impl Obtain {
    /// Gets an artifact, or what lacks of it. Tells by `fetch` how far it has come.
    pub(super) async fn run(
        self,
        artifact: ArtifactId,
        donors: Vec<Donor>,
        fetch: Arc<OnceLock<swarm::Fetch>>,
        stop: CancellationToken,
    ) -> Result<Obtained, NotObtained> {
        let get = self.clone().get(artifact, donors, &fetch);
        let result = stop.run_until_cancelled(get).await;
        match result {
            Some(Ok(obtained)) => Ok(obtained),
            Some(Err(error)) => {
                // Frees the swarm from a half-done fetch, so that the next try begins with what is on the disk.
                self.swarm.forget(artifact).await?;
                Err(error)
            }
            None => {
                self.swarm.forget(artifact).await?;
                Err(NotObtained::Stopped)
            }
        }
    }

    async fn get(
        self,
        artifact: ArtifactId,
        mut donors: Vec<Donor>,
        started: &Arc<OnceLock<swarm::Fetch>>,
    ) -> Result<Obtained, NotObtained> {
        let manifest = match self.stored_manifest(artifact).await? {
            Some(manifest) => manifest,
            None => self.asked_manifest(artifact).await?,
        };
        self.check_room(artifact, &manifest).await?;
        let content = disk::content(&self.folder, &artifact);
        // What was built from the same target has most in common with this; the others come after.
        let origin = |manifest: &VerifiedManifest| {
            let provenance = manifest.provenance();
            (provenance.repository.clone(), provenance.target.clone())
        };
        donors.sort_by_key(|donor| origin(&donor.manifest) != origin(&manifest));
        let fetch = self
            .swarm
            .fetch_reusing(manifest.clone(), content, donors)
            .await?;
        // Set once a run, and each run has its own.
        let _ = started.set(fetch.clone());
        let transfer = tokio::select! {
            transfer = fetch.done() => transfer?,
            error = self.pass_offers_on(&manifest) => return Err(error),
        };
        Ok(Obtained {
            manifest,
            transfer,
            fetch: started.clone(),
        })
    }

    /// Tells the swarm what may be read from the region's store, whenever that changes. Ends only with an
    /// error.
    async fn pass_offers_on(&self, manifest: &VerifiedManifest) -> NotObtained {
        let (artifact, mut offers) = (manifest.id(), self.offers.watch());
        let mut known: Option<Offer> = None;
        loop {
            let now = offers.borrow_and_update().get(&artifact).cloned();
            let told = match (&known, &now) {
                (Some(before), Some(now)) if before.is_same(now) => Ok(()),
                (None, None) => Ok(()),
                (_, Some(offer)) => {
                    let share = offer.share(&artifact, manifest.piece_count());
                    self.swarm
                        .offer_store(artifact, offer.pieces.clone(), share)
                        .await
                }
                (Some(_), None) => self.swarm.withdraw_store(artifact).await,
            };
            if let Err(error) = told {
                return error.into();
            }
            known = now;
            if offers.changed().await.is_err() {
                // Whoever hears offers is gone, and so is this soon.
                std::future::pending::<()>().await;
            }
        }
    }

    /// A disk that is too small is better noticed before it is full: other services need it too.
    async fn check_room(&self, artifact: ArtifactId, manifest: &VerifiedManifest) -> Result<(), NotObtained> {
        let (folder, manifest) = (self.folder.clone(), manifest.clone());
        let lacking = blocking(move || disk::lacking(&folder, &artifact, &manifest)).await?;
        match lacking {
            None => Ok(()),
            Some(bytes) => Err(NotObtained::DiskFull {
                folder: self.folder.display().to_string(),
                bytes,
            }),
        }
    }

    /// What an earlier try stored. It is checked like any other: keys may have been revoked, disks may fail.
    async fn stored_manifest(&self, artifact: ArtifactId) -> Result<Option<VerifiedManifest>, NotObtained> {
        let folder = self.folder.clone();
        let signed = blocking(move || disk::load_manifest(&folder, &artifact)).await?;
        Ok(signed.and_then(|signed| self.verify(artifact, &signed).ok()))
    }

    async fn asked_manifest(&self, artifact: ArtifactId) -> Result<VerifiedManifest, NotObtained> {
        let signed = self.managers.manifest(artifact).await?;
        let manifest = self.verify(artifact, &signed)?;
        let folder = self.folder.clone();
        blocking(move || disk::store_manifest(&folder, &artifact, &signed)).await?;
        Ok(manifest)
    }

    /// The name first: a manifest may be signed and good, and still not be the one that was ordered.
    fn verify(&self, artifact: ArtifactId, signed: &SignedManifest) -> Result<VerifiedManifest, NotObtained> {
        if signed.artifact() != artifact {
            return Err(NotObtained::OtherManifest(signed.artifact()));
        }
        Ok(self.trusted_keys.verify(signed)?)
    }

    /// Stops serving an artifact, then deletes it.
    pub(super) async fn discard(self, artifact: ArtifactId) -> Result<(), NotObtained> {
        self.swarm.forget(artifact).await?;
        let folder: PathBuf = self.folder.to_path_buf();
        blocking(move || disk::remove(&folder, &artifact)).await
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, NotObtained> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
