//! Aborting the uploads of builds that have ended, and will never finish them.
//!
//! The next attempt at a build goes on with what earlier ones left; this is for builds that have none. Every build
//! ends, by its deadline at the latest, so nothing is left for ever. Any number of processes may sweep: a build that has
//! ended stays so, and aborting twice changes nothing.

use crate::metrics;
use artifact_store::Store;
use database::Jobs;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the store is looked through. What lies there meanwhile costs only space.
const PERIOD: Duration = Duration::from_secs(60);

/// The sweeper of the main store.
#[derive(Debug)]
pub struct Service {
    jobs: Jobs,
    store: Store,
}

/// Why a sweep stopped half-way; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue could not be asked.
    #[error("failed to ask whether a build is under way")]
    Jobs(#[from] database::Error),
    /// The store could not be listed, or did not abort.
    #[error("failed to look through the store")]
    Store(#[from] artifact_store::Error),
}

impl Service {
    /// Nothing happens before [`Self::run`].
    pub fn new(jobs: Jobs, store: Store) -> Self {
        Self { jobs, store }
    }

    /// Sweeps now and then until `stop`. A store or database that is away is waited for.
    pub async fn run(self, stop: CancellationToken) {
        let sweeping = async {
            loop {
                if let Err(error) = self.sweep().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "failed to sweep the main store; trying again");
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        // It ends with `stop` alone.
        let _: Option<()> = stop.run_until_cancelled(sweeping).await;
    }

    /// Looks through the store once; how many uploads were aborted.
    ///
    /// # Errors
    /// Fails when the store or the database does.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let mut aborted = 0;
        for upload in self.store.unfinished("").await? {
            let Some((build, lease)) = upload.ticket.key.attempt() else {
                continue;
            };
            if self.jobs.is_under_way(build).await? {
                continue;
            }
            self.store.abort_upload(&upload.ticket).await?;
            aborted += 1;
            ::metrics::counter!(metrics::UPLOADS_SWEPT).increment(1);
            tracing::info!(build.id = %build, build.lease = %lease, "aborted the upload of a build that has ended");
        }
        Ok(aborted)
    }
}
