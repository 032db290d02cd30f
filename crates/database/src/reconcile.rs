//! The loop of every reconciler that only one process may run.

use crate::{Builds, Error, Hint, Jobs, Leadership, Singleton, Wakeups};
use sqlx::PgPool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Who reconciles what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Reconciler {
    /// What one process alone does.
    pub what: Singleton,
    /// The hints that are a reason to look.
    pub wanted: fn(&Hint) -> bool,
    /// At least this often it looks without a hint.
    pub period: Duration,
}

impl Reconciler {
    /// Repeats `pass` while this process leads; campaigns again when it does not lead any more, until
    /// `stop`. A pass that fails is logged and tried again. A pass is cut off where it waits when the
    /// leadership or the process ends.
    async fn run(
        self,
        pool: &PgPool,
        stop: &CancellationToken,
        mut pass: impl AsyncFnMut() -> Result<(), Error>,
    ) {
        while let Some(leadership) = Leadership::acquire(&pool.connect_options(), self.what, stop).await {
            tracing::info!(leadership.of = ?self.what, "this process leads");
            let mut wakeups = Wakeups::new(pool.clone(), self.wanted, self.period);
            let work = async {
                loop {
                    if let Err(error) = pass().await {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "a pass failed; trying again");
                    }
                    wakeups.next().await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = leadership.lost().cancelled() => {}
                () = work => {}
            }
        }
    }
}

impl Jobs {
    /// Runs a reconciler that is woken by the jobs database, until `stop`.
    pub async fn reconcile(
        &self,
        reconciler: Reconciler,
        stop: &CancellationToken,
        pass: impl AsyncFnMut() -> Result<(), Error>,
    ) {
        reconciler.run(&self.pool, stop, pass).await;
    }
}

impl Builds {
    /// Runs a reconciler that is woken by the builds database, until `stop`.
    pub async fn reconcile(
        &self,
        reconciler: Reconciler,
        stop: &CancellationToken,
        pass: impl AsyncFnMut() -> Result<(), Error>,
    ) {
        reconciler.run(&self.pool, stop, pass).await;
    }
}
