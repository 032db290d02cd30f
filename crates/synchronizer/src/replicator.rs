//! Copying what a region lacks.

use crate::Config;
use crate::comparison::{compare, record_failure};
use crate::metrics;
use crate::service::Stores;
use artifact_store::Store;
use database::builds::ReplicaRow;
use database::{Builds, Hint};
use model::{ArtifactId, RegionName};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

/// How often a copy's progress is written down.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Replicator {
    builds: Builds,
    main: Store,
    stores: Stores,
    copies_max: usize,
    period: Duration,
}

type ReplicaKey = (ArtifactId, RegionName);

/// Copies under way.
#[derive(Default)]
struct Copies {
    tasks: JoinSet<ReplicaKey>,
    keys: BTreeSet<ReplicaKey>,
}

impl Replicator {
    pub(crate) fn new(builds: Builds, main: Store, stores: Stores, config: &Config) -> Self {
        Self {
            builds,
            main,
            stores,
            copies_max: config.copies_max.get(),
            period: config.period,
        }
    }

    /// Copies until `stop`, and then leaves every copy where it is: the next one goes on there.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut wakeups = self.builds.wakeups(is_wanted, self.period);
        let mut copies = Copies::default();
        loop {
            if let Err(error) = self.begin_copies(&mut copies, &stop).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "pass failed; trying again"
                );
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = wakeups.next() => {}
                Some(ended) = copies.tasks.join_next() => copies.forget(ended),
            }
        }
        copies.tasks.shutdown().await;
    }

    /// Begins copies while there is room: the first of each region, then the second of each, and so on.
    async fn begin_copies(
        &self,
        copies: &mut Copies,
        stop: &CancellationToken,
    ) -> Result<(), database::Error> {
        let mut wanted = Vec::new();
        for region in self.stores.keys() {
            // Those under way are still listed, so more is asked for than there is room.
            let limit = u32::try_from(2 * self.copies_max).unwrap_or(u32::MAX);
            let pending = self.builds.replicas_pending(region, limit).await?;
            wanted.extend(pending.into_iter().enumerate());
        }
        wanted.sort_by_key(|(rank, _)| *rank);
        for (_, replica) in wanted {
            if copies.keys.len() >= self.copies_max {
                break;
            }
            let key = (replica.artifact, replica.region.clone());
            let store = self.stores.get(&replica.region);
            if let (Some(store), true) = (store, copies.keys.insert(key.clone())) {
                let copy = Copy {
                    builds: self.builds.clone(),
                    from: self.main.clone(),
                    into: store.clone(),
                    replica,
                };
                let span = info_span!("copy", artifact.id = %key.0, region.name = %key.1);
                let stop = stop.clone();
                let task = async move {
                    copy.run(stop).await;
                    key
                };
                copies.tasks.spawn(task.instrument(span));
            }
        }
        Ok(())
    }
}

impl Copies {
    fn forget(&mut self, ended: Result<ReplicaKey, tokio::task::JoinError>) {
        match ended {
            Ok(key) => {
                self.keys.remove(&key);
            }
            Err(error) => {
                // Which copy it was is not known, so all may be begun again; a copy that is begun twice
                // finds the other's parts.
                warn!(error = &error as &dyn std::error::Error, "a copy failed");
                self.keys.clear();
            }
        }
    }
}

/// One copy.
struct Copy {
    builds: Builds,
    from: Store,
    into: Store,
    replica: ReplicaRow,
}

impl Copy {
    async fn run(&self, stop: CancellationToken) {
        if let Err(error) = self.copy_and_record(stop).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "failed to record a copy"
            );
        }
    }

    async fn copy_and_record(&self, stop: CancellationToken) -> Result<(), database::Error> {
        let Replica { artifact, region } = Replica::of(&self.replica);
        self.builds.replica_progress(artifact, region, 0).await?;
        let (progress, seen) = watch::channel(0);
        let copying = Box::pin(self.into.copy_from(&self.from, artifact, progress, stop));
        let copied = tokio::select! {
            copied = copying => copied,
            error = self.write_progress(seen) => return Err(error),
        };
        match copied {
            Ok(()) => {
                metrics::count(metrics::COPIES_TOTAL, region, "ok");
                info!(artifact.bytes = self.replica.total_bytes, "copied");
                Box::pin(compare(&self.builds, &self.into, &self.replica)).await
            }
            Err(artifact_store::Error::Cancelled) => Ok(()),
            Err(error) => {
                metrics::count(metrics::COPIES_TOTAL, region, "failed");
                record_failure(&self.builds, &self.replica, &error).await
            }
        }
    }

    /// Writes the progress down from time to time, until that fails.
    async fn write_progress(&self, mut seen: watch::Receiver<u64>) -> database::Error {
        let Replica { artifact, region } = Replica::of(&self.replica);
        loop {
            tokio::time::sleep(PROGRESS_INTERVAL).await;
            if seen.changed().await.is_err() {
                // The copy has ended, and whoever waits for it takes over.
                return std::future::pending().await;
            }
            let bytes = *seen.borrow_and_update();
            if let Err(error) = self.builds.replica_progress(artifact, region, bytes).await {
                return error;
            }
        }
    }
}

/// A replica's name.
struct Replica<'a> {
    artifact: &'a ArtifactId,
    region: &'a RegionName,
}

impl<'a> Replica<'a> {
    fn of(row: &'a ReplicaRow) -> Self {
        Self {
            artifact: &row.artifact,
            region: &row.region,
        }
    }
}

fn is_wanted(hint: &Hint) -> bool {
    matches!(hint, Hint::Replica(_) | Hint::Anything)
}
