//! The queue of builds.
//!
//! A build goes QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED, and back to QUEUED when its worker
//! was lost. Each step is one file here: [`claim`](Jobs::claim) takes, `fence` guards what a worker
//! writes, `finish` ends, `reap` gives back.

mod cancel;
mod claim;
mod enqueue;
mod fence;
mod finish;
mod heartbeat;
mod list;
mod log;
mod phases;
mod reap;
mod repositories;

pub use cancel::Cancelled;
pub use claim::Claim;
pub use enqueue::{Enqueued, NewBuild, QUEUED_BUILDS_MAX};
pub use heartbeat::Heartbeat;
pub use list::{BuildRow, Progress, SucceededBuild};
pub use log::{LOG_CHUNK_LENGTH_MAX, LogSlice};
pub use phases::PhaseRow;
pub use reap::{ATTEMPTS_MAX, Fate, Reaped};
pub use repositories::Repository;

use crate::{Error, Hint, Hints, Leadership, Limits, Singleton, Wakeups, pool};
use sqlx::PgPool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The jobs database. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Jobs {
    pool: PgPool,
}

impl Jobs {
    /// Opens a connection to the database at `url` (`postgres://…`).
    pub async fn connect(url: &str, limits: Limits) -> Result<Self, Error> {
        let pool = pool::connect(url, limits).await?;
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<(), Error> {
        sqlx::migrate!("../../migrations/jobs").run(&self.pool).await?;
        Ok(())
    }

    /// Whether the database answers; for `/readyz`.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Listens for [`Hint::Queued`](crate::Hint::Queued) and [`Hint::Build`](crate::Hint::Build), on a
    /// connection of its own.
    pub async fn listen(&self) -> Result<Hints, Error> {
        Hints::listen(&self.pool).await
    }

    /// Wakes a reconciler on the hints that it wants, and at least once in every `period`.
    pub fn wakeups(&self, wanted: fn(&Hint) -> bool, period: Duration) -> Wakeups {
        Wakeups::new(self.pool.clone(), wanted, period)
    }

    /// Waits until this process alone does `what`; `None` when `stop` came first.
    pub async fn lead(&self, what: Singleton, stop: &CancellationToken) -> Option<Leadership> {
        Leadership::acquire(&self.pool.connect_options(), what, stop).await
    }
}
