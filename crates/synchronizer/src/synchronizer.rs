//! Recording what was built, and comparing what regions hold.

use crate::Config;
use crate::comparison::compare;
use crate::metrics;
use crate::service::Stores;
use database::builds::{Artifact, ReplicaRow};
use database::{Builds, Hint, Jobs};
use failpoint::Point;
use futures::StreamExt;
use model::ReplicaState;
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// The most replicas of a region that are compared in one pass.
const REPLICAS_MAX: u32 = 1_000;
/// The most comparisons at once.
const COMPARISONS_AT_ONCE_MAX: usize = 8;
/// The most builds that are recorded in one go.
const BUILDS_MAX: u32 = 200;

#[derive(Debug)]
pub(crate) struct Synchronizer {
    jobs: Jobs,
    stores: Stores,
    period: Duration,
    compare_again_after: Duration,
}

/// What one leader remembers from pass to pass. Losing it costs work, never truth.
struct Memory {
    /// The last build that was recorded.
    cursor: i64,
    /// When the VERIFIED replicas are compared again.
    compare_again_at: Instant,
}

impl Synchronizer {
    pub(crate) fn new(jobs: Jobs, stores: Stores, config: &Config) -> Self {
        Self {
            jobs,
            stores,
            period: config.period,
            compare_again_after: config.compare_again_after,
        }
    }

    /// Looks, acts and waits, until the term is over in which `builds` writes.
    pub(crate) async fn run(&self, builds: &Builds) {
        let mut built = self.jobs.wakeups(is_built, self.period);
        let mut copied = builds.wakeups(is_copied, self.period);
        let mut memory = Memory {
            cursor: 0,
            compare_again_at: Instant::now(),
        };
        loop {
            match self.pass(builds, &mut memory).await {
                Ok(()) => {}
                Err(database::Error::TermOver(_)) => return,
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "pass failed; trying again"
                ),
            }
            tokio::select! {
                () = built.next() => {}
                () = copied.next() => {}
            }
        }
    }

    async fn pass(&self, builds: &Builds, memory: &mut Memory) -> Result<(), database::Error> {
        builds.confirm_term().await?;
        self.record_builds(builds, &mut memory.cursor).await?;
        let all = Instant::now() >= memory.compare_again_at;
        for region in self.stores.keys() {
            let mut replicas = builds.replicas_pending(region, REPLICAS_MAX).await?;
            if all {
                replicas.extend(builds.replicas_verified(region, REPLICAS_MAX).await?);
            } else {
                // The replicator compares by itself when its copy is done.
                replicas.retain(|replica| replica.state != ReplicaState::Copying);
            }
            self.compare_all(builds, replicas).await?;
        }
        if all {
            metrics::tell_times(&builds.replication_times().await?);
            memory.compare_again_at = Instant::now() + self.compare_again_after;
        }
        Ok(())
    }

    /// Records the artifacts of builds that succeeded, in the order in which they did.
    async fn record_builds(&self, builds: &Builds, cursor: &mut i64) -> Result<(), database::Error> {
        loop {
            let succeeded = self.jobs.succeeded_since(*cursor, BUILDS_MAX).await?;
            if succeeded.is_empty() {
                return Ok(());
            }
            for build in succeeded {
                let artifact = Artifact {
                    id: build.artifact,
                    build: build.build,
                    repository: build.repository,
                    commit: build.commit,
                    target: build.target,
                    total_bytes: build.total_bytes,
                };
                builds.record_artifact(&artifact).await?;
                failpoint::reach(Point::SynchronizerRecorded);
                ::metrics::counter!(metrics::ARTIFACTS_RECORDED_TOTAL).increment(1);
                *cursor = build.cursor;
            }
        }
    }

    async fn compare_all(&self, builds: &Builds, replicas: Vec<ReplicaRow>) -> Result<(), database::Error> {
        let compared = replicas.into_iter().filter_map(|replica| {
            let store = self.stores.get(&replica.region)?;
            Some(async move { compare(builds, store, &replica).await })
        });
        let mut compared = futures::stream::iter(compared).buffer_unordered(COMPARISONS_AT_ONCE_MAX);
        while let Some(outcome) = compared.next().await {
            outcome?;
        }
        Ok(())
    }
}

fn is_built(hint: &Hint) -> bool {
    matches!(hint, Hint::Build(_) | Hint::Anything)
}

fn is_copied(hint: &Hint) -> bool {
    matches!(hint, Hint::Replica(_) | Hint::Anything)
}
