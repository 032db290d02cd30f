//! The artifacts that this manager offers to its region's swarm, straight from the region's store.

use crate::listing::Services;
use crate::pieces::{Readings, StorePieces};
use artifact::TrustedKeys;
use artifact_store::{ContentKey, SignedAddress, Store};
use model::{ArtifactId, RegionService, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use swarm::{Handle, Source};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// How long an address is good for that hosts are handed: long enough that the hosts of a region whose
/// managers all died have hours to end what they began, short enough that one that leaked is soon of no
/// use.
const ADDRESS_LIFETIME: Duration = Duration::from_secs(2 * 3_600);
/// An address older than this is replaced, so that every host has half of a lifetime before it.
const ADDRESS_AGE_MAX: Duration = Duration::from_secs(3_600);

/// Every artifact that a host of the region may be ordered to have.
pub(crate) fn artifacts(services: &BTreeMap<ServiceName, RegionService>) -> impl Iterator<Item = ArtifactId> {
    let layers = services.values().flat_map(|service| &service.layers);
    layers.map(|layer| layer.artifact)
}

/// The artifacts that are seeded.
pub(crate) type Seeded = Arc<BTreeMap<ArtifactId, Seed>>;

/// One artifact that is seeded, as hosts are told of it.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    /// The signed manifest.
    pub(crate) manifest: Arc<[u8]>,
    /// Where its content can be read without credentials.
    pub(crate) address: Arc<SignedAddress>,
    signed_at: Instant,
    content: ContentKey,
}

impl Seed {
    /// How long the address is still good for.
    pub(crate) fn valid_for(&self, now: Instant) -> Duration {
        ADDRESS_LIFETIME.saturating_sub(now.duration_since(self.signed_at))
    }
}

/// The task that seeds; ends when this is dropped, and what it seeded stays seeded.
#[derive(Debug)]
pub(crate) struct Seeds {
    seeded: watch::Receiver<Seeded>,
    readings: Readings,
    _task: AbortOnDropHandle<()>,
}

impl Seeds {
    pub(crate) fn start(
        store: Store,
        swarm: Handle,
        trusted_keys: TrustedKeys,
        period: Duration,
        services: watch::Receiver<Services>,
    ) -> Self {
        let (sender, seeded) = watch::channel(Seeded::default());
        let readings = Readings::default();
        let seeder = Seeder {
            store,
            swarm,
            trusted_keys,
            readings: readings.clone(),
            seeded: sender,
        };
        let task = tokio::spawn(seeder.run(services, period));
        Self {
            seeded,
            readings,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn seeded(&self) -> watch::Receiver<Seeded> {
        self.seeded.clone()
    }

    /// Bytes read from the region's store so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.readings.bytes()
    }
}

struct Seeder {
    store: Store,
    swarm: Handle,
    trusted_keys: TrustedKeys,
    readings: Readings,
    seeded: watch::Sender<Seeded>,
}

impl Seeder {
    /// A reconciler: seeds what is wanted and not seeded, forgets what is seeded and not wanted.
    async fn run(self, mut services: watch::Receiver<Services>, period: Duration) {
        loop {
            let listed = services.borrow_and_update().clone();
            if let Some(listed) = listed {
                let wanted = artifacts(&listed).collect();
                self.reconcile(&wanted).await;
            }
            if let Ok(Err(_)) = tokio::time::timeout(period, services.changed()).await {
                // The listing has ended, and this with it.
                return;
            }
        }
    }

    async fn reconcile(&self, wanted: &BTreeSet<ArtifactId>) {
        let seeded = self.seeded.borrow().clone();
        for artifact in wanted {
            let done = match seeded.get(artifact) {
                None => self.seed(artifact).await,
                Some(seed) if seed.signed_at.elapsed() > ADDRESS_AGE_MAX => self.renew(seed.clone()).await,
                Some(_) => continue,
            };
            match done {
                Ok(seed) => self.seeded.send_modify(|all| {
                    Arc::make_mut(all).insert(*artifact, seed);
                }),
                Err(error) => {
                    tracing::warn!(error = %error, artifact.id = %artifact, "failed to seed an artifact; trying again");
                }
            }
        }
        self.seeded.send_if_modified(|all| {
            let unwanted = all.keys().any(|artifact| !wanted.contains(artifact));
            if unwanted {
                Arc::make_mut(all).retain(|artifact, _| wanted.contains(artifact));
            }
            unwanted
        });
        if let Err(error) = self.forget_all_but(wanted).await {
            tracing::warn!(%error, "failed to stop seeding what is not wanted any more");
        }
    }

    /// Asks the swarm what it serves, which may be more than this term began to seed: what an earlier
    /// term of this manager left there would stay for ever.
    async fn forget_all_but(&self, wanted: &BTreeSet<ArtifactId>) -> Result<(), swarm::Error> {
        let status = self.swarm.status().await?;
        let offered = status.artifacts.iter().map(|offered| offered.artifact);
        for artifact in offered.filter(|artifact| !wanted.contains(artifact)) {
            self.swarm.forget(artifact).await?;
            tracing::info!(artifact.id = %artifact, "seeds an artifact no more");
        }
        Ok(())
    }

    async fn seed(&self, artifact: &ArtifactId) -> Result<Seed, SeedError> {
        let stored = self
            .store
            .get_manifest(artifact)
            .await?
            .ok_or(SeedError::Absent)?;
        let manifest = self.trusted_keys.verify(&stored.signed)?;
        if manifest.id() != *artifact {
            return Err(SeedError::OtherArtifact);
        }
        let seed = self
            .sign(stored.signed.encode().into(), stored.content_key.clone())
            .await?;
        let (length, content) = (manifest.total_length(), stored.content_key);
        let pieces = StorePieces::new(self.store.clone(), content, length, self.readings.clone());
        self.swarm
            .serve(manifest, Source::Remote(Arc::new(pieces)))
            .await?;
        tracing::info!(artifact.id = %artifact, "seeds an artifact");
        Ok(seed)
    }

    async fn renew(&self, seed: Seed) -> Result<Seed, SeedError> {
        self.sign(seed.manifest, seed.content).await
    }

    async fn sign(&self, manifest: Arc<[u8]>, content: ContentKey) -> Result<Seed, SeedError> {
        let signed_at = Instant::now();
        let address = self.store.presign_content(&content, ADDRESS_LIFETIME).await?;
        Ok(Seed {
            manifest,
            address: Arc::new(address),
            signed_at,
            content,
        })
    }
}

/// Why an artifact cannot be seeded now.
#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("the region's store does not hold it")]
    Absent,
    #[error("the region's store holds another artifact in its place")]
    OtherArtifact,
    #[error("the region's store failed: {0}")]
    Store(#[from] artifact_store::Error),
    #[error("{0}")]
    NotTrusted(#[from] artifact::NotTrusted),
    #[error("the swarm refused it: {0}")]
    Swarm(#[from] swarm::Error),
}
