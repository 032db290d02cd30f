//! The artifacts that this manager offers to its region's swarm, straight from the region's store.

use crate::listing::Services;
use crate::metrics;
use artifact::TrustedKeys;
use artifact_store::{ContentKey, Store};
use bytes::Bytes;
use model::ArtifactId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use swarm::{Handle, PieceSource, Source};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The signed manifests of the artifacts that are seeded, as hosts are handed them.
pub(crate) type Manifests = Arc<BTreeMap<ArtifactId, Arc<[u8]>>>;

/// The task that seeds; ends when this is dropped, and what it seeded stays seeded.
#[derive(Debug)]
pub(crate) struct Seeds {
    manifests: watch::Receiver<Manifests>,
    bytes_read: Arc<AtomicU64>,
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
        let (sender, manifests) = watch::channel(Manifests::default());
        let bytes_read = Arc::new(AtomicU64::new(0));
        let seeder = Seeder {
            store,
            swarm,
            trusted_keys,
            bytes_read: Arc::clone(&bytes_read),
            seeded: sender,
        };
        let task = tokio::spawn(seeder.run(services, period));
        Self {
            manifests,
            bytes_read,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn manifests(&self) -> watch::Receiver<Manifests> {
        self.manifests.clone()
    }

    /// Bytes read from the region's store so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

struct Seeder {
    store: Store,
    swarm: Handle,
    trusted_keys: TrustedKeys,
    bytes_read: Arc<AtomicU64>,
    seeded: watch::Sender<Manifests>,
}

impl Seeder {
    /// A reconciler: seeds what is wanted and not seeded, forgets what is seeded and not wanted.
    async fn run(self, mut services: watch::Receiver<Services>, period: Duration) {
        loop {
            let listed = services.borrow_and_update().clone();
            if let Some(listed) = listed {
                let wanted: BTreeSet<ArtifactId> = listed.values().map(|service| service.artifact).collect();
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
        for artifact in wanted.iter().filter(|artifact| !seeded.contains_key(*artifact)) {
            match self.seed(artifact).await {
                Ok(manifest) => self.seeded.send_modify(|all| {
                    Arc::make_mut(all).insert(*artifact, manifest);
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

    async fn seed(&self, artifact: &ArtifactId) -> Result<Arc<[u8]>, SeedError> {
        let stored = self
            .store
            .get_manifest(artifact)
            .await?
            .ok_or(SeedError::Absent)?;
        let manifest = self.trusted_keys.verify(&stored.signed)?;
        if manifest.id() != *artifact {
            return Err(SeedError::OtherArtifact);
        }
        let pieces = StorePieces {
            store: self.store.clone(),
            content: stored.content_key.clone(),
            bytes_read: Arc::clone(&self.bytes_read),
        };
        self.swarm
            .serve(manifest, Source::Remote(Arc::new(pieces)))
            .await?;
        tracing::info!(artifact.id = %artifact, "seeds an artifact");
        Ok(stored.signed.encode().into())
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

/// Reads pieces where they lie. The swarm hashes them before it sends them.
struct StorePieces {
    store: Store,
    content: ContentKey,
    bytes_read: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl PieceSource for StorePieces {
    async fn read(&self, _piece: u32, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = self
            .store
            .read(&self.content, range)
            .await
            .map_err(io::Error::other)?;
        let length = bytes.len() as u64;
        self.bytes_read.fetch_add(length, Ordering::Relaxed);
        ::metrics::counter!(metrics::STORE_BYTES_TOTAL).increment(length);
        Ok(bytes)
    }
}
