//! The queue of builds.
//!
//! A build goes QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED, and back to QUEUED when its worker
//! was lost or the machine failed it. Where it stands is where its row lies: in `queue`, `leases` or
//! `results`. Each step is one file here: [`claim`](Jobs::claim) takes, `fence` guards what a worker
//! writes, `finish` ends, `requeue` and `reap` give back, `admit` says who may be taken;
//! `removal` keeps publishing and removing apart.

mod admit;
mod attempts;
mod cancel;
mod claim;
mod earlier;
mod enqueue;
mod fence;
mod fill;
mod finish;
mod finisher;
mod gaps;
mod heartbeat;
mod history;
mod holding;
mod inputs;
mod list;
mod log;
mod phases;
mod publications;
mod reap;
mod removal;
mod repositories;
mod requeue;
mod scan;
mod statements;
mod supersede;
mod workers;

pub use attempts::{AttemptRow, UsualTime, Waiting};
pub use cancel::Cancelled;
pub use claim::{CLAIMED_MAX, Claim};
pub use enqueue::{Enqueued, NewBuild, QUEUED_BUILDS_MAX};
pub use finish::{Ending, Finish, Made};
pub use heartbeat::Heartbeat;
pub use history::EndedBuild;
pub use holding::Holding;
pub use inputs::EarlierBuild;
pub use list::{BuildRow, Progress};
pub use log::{Dropped, LOG_CHUNK_LENGTH_MAX, LOG_LENGTH_MAX, LogArchive, LogGap, LogRead, LogSlice};
pub use phases::PhaseRow;
pub use publications::SucceededBuild;
pub use reap::{Fate, Reaped};
pub use removal::{REMOVAL_LASTS_MAX, Removal};
pub use repositories::Repository;
pub use requeue::ATTEMPTS_MAX;
pub use workers::{Demand, RunningBuild, WorkerRow};

use crate::hints::Announcer;
use crate::{Error, Hint, Hints, Leadership, Limits, Singleton, Wakeups, pool};
use fill::Fill;
use finisher::Finisher;
use scan::Scan;
use sqlx::PgPool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The jobs database. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Jobs {
    pool: PgPool,
    shared: Arc<Shared>,
}

/// What the clones of one [`Jobs`] have together.
#[derive(Debug)]
struct Shared {
    announcer: Announcer,
    finisher: Finisher,
    scan: Mutex<Scan>,
    fill: Mutex<Fill>,
}

impl Shared {
    fn scan(&self) -> MutexGuard<'_, Scan> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self) -> MutexGuard<'_, Fill> {
        self.fill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Opens a connection to the database at `url` (`postgres://…`).
    pub async fn connect(url: &str, limits: Limits) -> Result<Self, Error> {
        let pool = pool::connect(url, limits, pool::BY_INDEX).await?;
        let shared = Shared {
            announcer: Announcer::start(pool.clone(), limits.answer_timeout()),
            finisher: Finisher::start(pool.clone(), limits.answer_timeout()),
            scan: Mutex::default(),
            fill: Mutex::default(),
        };
        Ok(Self {
            pool,
            shared: Arc::new(shared),
        })
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
