//! Seeding the artifacts of everything that the region should run.

use crate::leading::Leading;
use crate::store_source::{Reader, StoreSource};
use artifact::TrustedKeys;
use artifact_store::Store;
use model::ArtifactId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// How soon an artifact that could not be seeded is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// The most bytes of manifests in memory.
const MANIFESTS_LENGTH_MAX: usize = 64 << 20;

pub(crate) struct Seeder {
    pub(crate) swarm: swarm::Handle,
    pub(crate) store: Store,
    pub(crate) trusted: TrustedKeys,
    pub(crate) leading: Arc<Leading>,
}

/// Why an artifact could not be seeded.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the region's store does not have it")]
    Absent,
    #[error("the region's store could not be read")]
    Store(#[from] artifact_store::Error),
    #[error("its manifest is not to be trusted")]
    NotTrusted(#[from] artifact::NotTrusted),
    #[error("the manifests of all services together are too large")]
    TooLarge,
    #[error("the swarm refused it")]
    Swarm(#[from] swarm::Error),
}

impl Seeder {
    /// Seeds what is desired and forgets what is not, for ever. Hosts hear of every change.
    pub(crate) async fn run(self) {
        let reader = Arc::new(Reader::new(self.store.clone(), self.leading.clone()));
        let mut desired = self.leading.desired.subscribe();
        let mut seeded = BTreeSet::new();
        loop {
            let services = desired.borrow_and_update().clone().unwrap_or_default();
            self.hint_hosts().await;
            let wanted: BTreeSet<ArtifactId> = services.iter().map(|desired| desired.artifact).collect();
            for artifact in seeded.difference(&wanted) {
                self.forget(artifact).await;
            }
            seeded.retain(|artifact| wanted.contains(artifact));
            let mut whole = true;
            for artifact in wanted {
                if seeded.contains(&artifact) {
                    continue;
                }
                match self.seed(&artifact, &reader).await {
                    Ok(()) => {
                        seeded.insert(artifact);
                        self.hint_hosts().await;
                    }
                    Err(error) => {
                        whole = false;
                        warn!(
                            error = &error as &dyn std::error::Error,
                            artifact.id = %artifact,
                            "failed to seed; trying again"
                        );
                    }
                }
            }
            if whole {
                // The sender lives as long as this task's own reference.
                desired.changed().await.ok();
            } else {
                tokio::time::timeout(RETRY_INTERVAL, desired.changed()).await.ok();
            }
        }
    }

    async fn seed(&self, artifact: &ArtifactId, reader: &Arc<Reader>) -> Result<(), Failure> {
        let stored = self.store.get_manifest(artifact).await?.ok_or(Failure::Absent)?;
        let manifest = self.trusted.verify(&stored.signed)?;
        let encoded = stored.signed.encode();
        let held: usize = self.leading.manifests().values().map(|manifest| manifest.len()).sum();
        if held + encoded.len() > MANIFESTS_LENGTH_MAX {
            return Err(Failure::TooLarge);
        }
        let (bytes, pieces) = (manifest.total_length(), manifest.piece_count());
        let source = StoreSource {
            reader: reader.clone(),
            content: stored.content_key,
        };
        self.swarm
            .serve(manifest, swarm::Source::Remote(Arc::new(source)))
            .await?;
        self.leading.manifests().insert(*artifact, encoded.into());
        info!(artifact.id = %artifact, artifact.bytes = bytes, artifact.pieces = pieces, "seeding");
        Ok(())
    }

    async fn forget(&self, artifact: &ArtifactId) {
        self.leading.manifests().remove(artifact);
        info!(artifact.id = %artifact, "seeding no more");
        // Fails only when the swarm has stopped, and then it has forgotten everything.
        self.swarm.forget(*artifact).await.ok();
    }

    async fn hint_hosts(&self) {
        let peers = self.leading.roster().peers();
        // A lost hint costs only time.
        self.swarm.hint(&peers).await.ok();
    }
}
