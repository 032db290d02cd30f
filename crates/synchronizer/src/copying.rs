//! One copy, and what is written down of it.

use crate::comparison::{compare, record_failure};
use crate::metrics;
use crate::routes::Copy;
use crate::service::Stores;
use artifact_store::{CopyTarget, Error, Pace, Store};
use database::Builds;
use database::builds::ReplicaRow;
use failpoint::Point;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often a copy's progress is written down.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// A copy to be made.
pub(crate) struct Copying {
    pub(crate) builds: Builds,
    pub(crate) from: Store,
    pub(crate) stores: Stores,
    pub(crate) pace: Pace,
    pub(crate) copy: Copy,
}

/// A copy that ended, well or not.
pub(crate) struct Ended {
    pub(crate) copy: Copy,
    /// Whether it could not be read where it was copied from.
    pub(crate) unreadable: bool,
}

impl Copying {
    pub(crate) async fn run(self, stop: CancellationToken) -> Ended {
        let unreadable = match self.copy_and_record(&stop).await {
            Ok(unreadable) => unreadable,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to record a copy"
                );
                false
            }
        };
        Ended {
            copy: self.copy,
            unreadable,
        }
    }

    async fn copy_and_record(&self, stop: &CancellationToken) -> Result<bool, database::Error> {
        let (mut replicas, mut targets, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for replica in &self.copy.replicas {
            let Some(store) = self.stores.get(&replica.region) else {
                continue;
            };
            self.builds
                .replica_progress(&replica.artifact, &replica.region, 0)
                .await?;
            failpoint::reach(Point::ReplicatorBegun);
            let (progress, watched) = watch::channel(0);
            targets.push(CopyTarget {
                store: store.clone(),
                progress,
            });
            seen.push((replica, watched));
            replicas.push((replica, store));
        }
        let copying = Box::pin(self.from.copy_to(targets, &self.copy.artifact, &self.pace, stop));
        let copied = tokio::select! {
            copied = copying => copied,
            error = self.write_progress(seen) => return Err(error),
        };
        let mut unreadable = false;
        for ((replica, store), copied) in replicas.into_iter().zip(copied) {
            unreadable |= matches!(copied, Err(Error::Source(_) | Error::Absent(_)));
            self.record(replica, store, copied).await?;
        }
        Ok(unreadable)
    }

    async fn record(
        &self,
        replica: &ReplicaRow,
        store: &Store,
        copied: Result<(), Error>,
    ) -> Result<(), database::Error> {
        match copied {
            Ok(()) => {
                metrics::count(metrics::COPIES_TOTAL, &replica.region, "ok");
                info!(
                    region.name = %replica.region,
                    artifact.bytes = replica.total_bytes,
                    "copied"
                );
                Box::pin(compare(&self.builds, store, replica)).await?;
                failpoint::reach(Point::ReplicatorVerified);
                Ok(())
            }
            // It is due again, and goes on where it was.
            Err(Error::Cancelled | Error::Behind) => Ok(()),
            Err(error) => {
                metrics::count(metrics::COPIES_TOTAL, &replica.region, "failed");
                record_failure(&self.builds, replica, &error).await
            }
        }
    }

    /// Writes the progress down from time to time, until that fails.
    async fn write_progress(&self, mut seen: Vec<(&ReplicaRow, watch::Receiver<u64>)>) -> database::Error {
        loop {
            tokio::time::sleep(PROGRESS_INTERVAL).await;
            for (replica, watched) in &mut seen {
                // One that ended for one region has no news, until whoever waits for all takes over.
                if !watched.has_changed().unwrap_or(false) {
                    continue;
                }
                let bytes = *watched.borrow_and_update();
                let written = self
                    .builds
                    .replica_progress(&replica.artifact, &replica.region, bytes);
                if let Err(error) = written.await {
                    return error;
                }
            }
        }
    }
}
