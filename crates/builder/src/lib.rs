//! The build worker, the reaper that gives a lost worker's builds back, the sweeper that aborts what it left
//! half uploaded, the archiver that moves the logs of builds that have ended to the main store, and what clears that
//! store of all else that they left.
//!
//! A commit and a target come out of the queue, an artifact goes into the main store. To follow it:
//! `worker` claims, `attempt` walks one claim through its phases, `lease` is what every write goes
//! through, `heartbeat` keeps the lease.
//!
//! Promises:
//!
//! - At most one attempt publishes, and the API does it: the worker sends bytes, at addresses that are signed for
//!   each part, and has neither the store's credentials nor the key that signs. Content goes first, the signed manifest
//!   second, and last the one write that counts, which the database refuses unless this attempt still holds the lease.
//! - A worker that cannot say that it lives kills its builds before anybody may take them: the
//!   heartbeat has a thread, a runtime and a database connection of its own, so no build can starve it.
//! - When an attempt ends, however it ends, nothing of it runs any more and its folder is gone. What a
//!   killed worker left in its folder is removed at the next start.
//! - A build that is wrong is FAILED with a reason that an engineer can act on. A machine that is wrong
//!   gives the build back.
//!
//! It never runs anything of a repository outside of the sandbox, and never trusts what a build left on
//! the disk: links that lead out of the tree, special files and odd names are refused.

mod admission;
pub mod archiver;
mod attempt;
mod caches;
mod config;
pub mod demand;
mod error;
mod fault;
mod folders;
mod gate;
mod heartbeat;
mod inputs;
mod lease;
pub mod leftovers;
mod log;
pub mod metrics;
mod pack;
mod project;
mod publishing;
pub mod reaper;
mod remove;
mod secrets;
pub mod sweeper;
mod worker;

pub use admission::Thresholds;
pub use config::{Config, Dependencies, InvalidConfig, LogLimits};
pub use error::Error;
pub use publishing::{InvalidApi, PublishingApi};
pub use secrets::{Secret, SecretSource};
pub use worker::Service;
