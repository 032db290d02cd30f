//! Floor 3: carries what was decided to the regions, and decides when a deployment moves on.
//!
//! Three reconcilers, each led by one process at a time:
//! - the `publisher` tells every region's etcd what the outbox says, and what was said about its distributions, and tells it again until it knows;
//! - the rollout `driver` shows every deployment in flight to the pure planner and applies its step, and begins what has
//!   waited for another to end;
//! - the `watcher` shows it what has succeeded lately, and takes back what became unhealthy.
//!
//! Beside them, the `collector` removes withdrawn artifacts from every store, and withdraws by itself what a policy lets go
//! where it is told to.
//!
//! None takes input: each looks at the builds database, acts, and is woken by hints and by a period, so
//! that a lost hint costs seconds and a crash at any point costs nothing. Leadership may overlap for a
//! moment; every write is therefore fenced by itself: etcd refuses a smaller epoch, and the database moves a
//! deployment only from the state that was planned for.
//!
//! This crate must never decide *how* a rollout goes on (the crate `rollout` does) nor speak to a host.

pub mod collector;
mod config;
mod controls;
mod driver;
mod error;
pub mod metrics;
mod picture;
mod publisher;
mod queue;
mod service;
mod watcher;

pub use config::Config;
pub use error::Error;
pub use service::Service;
