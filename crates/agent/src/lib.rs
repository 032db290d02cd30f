//! Floor 3: the program on each host.
//!
//! An agent asks its region's leading manager what its host should do, fetches the artifacts over the swarm, runs the
//! services, watches their health and tells the manager. It is a reconciler: every few seconds, and whenever something
//! happens, it compares what should be with what is and takes the next step. No step depends on having seen an event.
//!
//! The rules are apart from the doing. [`seat`] decides, of one service at a time, without I/O or clock; [`ledger`]
//! makes a decision durable; only then [`Service`] acts on it, through the `shelf` (artifacts on the disk) and the
//! `keepers` (running tasks).
//!
//! Promises:
//! - Nothing runs whose every byte was not verified against a manifest that a trusted key signed.
//! - A service's epoch and the manager's term never go back, not even after a kill -9: they are on the disk before
//!   anything is done about them.
//! - Cut off from everything, it keeps the last good release running, and starts it again when it ends.
//! - A restarted agent finds the tasks that its earlier life started, also one that it was starting just then, and goes
//!   on with half-done transfers.
//! - Where two releases of a service may overlap, the old one serves until the new one is healthy and the `frontend`
//!   has said that requests go there.
//! - What is wrong with one service (a bad manifest, a full disk, a program that crashes) is reported as that service's
//!   ERROR and keeps no other from its work.
//!
//! It never decides *which* release a host should run, and never falls back to an older one by itself.

mod config;
mod error;
pub mod frontend;
mod fronts;
mod host;
mod isolating;
mod keepers;
mod launch;
pub mod ledger;
mod logs;
mod managers;
mod metrics;
pub mod ports;
mod reason;
mod releases;
pub mod seat;
mod service;
mod shelf;
mod store;
mod talk;
pub mod users;

pub use config::{Config, Manager, TasksOnExit};
pub use error::Error;
pub use service::Service;
