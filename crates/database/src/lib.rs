//! Floor 2: the two Postgres databases, and the only room that knows sqlx.
//!
//! [`Jobs`] is the queue: what was asked to be built, who works on it, how it ended. [`Builds`] is
//! everything after that: artifacts and their replicas, services, releases, what each region should
//! run and does run. Nothing joins across the two, so they can live on different servers.
//!
//! What it promises:
//! - A build reaches exactly one terminal state and publishes at most one result. The schema itself
//!   holds this; see `results` in `migrations/jobs`.
//! - Every write of a worker names its build and lease and does nothing unless the build is RUNNING
//!   under that lease; see `jobs/fence.rs`.
//! - The database's clock alone decides what is stale or overdue.
//! - Every change that somebody may wait for sends a [`Hint`]. Hints get lost; whoever listens also
//!   looks by itself from time to time.
//!
//! It never decides which hosts switch or what is built where, starts no process, and hands out no row
//! that does not parse into the model's words.

pub mod builds;
mod error;
mod hints;
pub mod jobs;
mod leadership;
mod pool;
mod row;
mod wakeups;

pub use builds::Builds;
pub use error::Error;
pub use hints::{Hint, Hints};
pub use jobs::Jobs;
pub use leadership::{Leadership, Singleton};
pub use pool::Limits;
pub use wakeups::Wakeups;

/// The most rows that one call returns, whatever it is asked for.
pub const ROWS_MAX: u32 = 1_000;
/// The most builds or deployments on one page of a list.
pub const PAGE_ROWS_MAX: u32 = 200;
