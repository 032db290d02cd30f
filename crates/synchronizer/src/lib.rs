//! Floor 3: brings every artifact to every region's store, and knows which regions truly hold it.
//!
//! Two reconcilers, each led by one process at a time:
//! - the `synchronizer` records the artifacts of builds that succeeded, and compares every replica with what
//!   it should be: one that matches is VERIFIED, one that vanished is PENDING again;
//! - the `replicator` copies what regions lack, where the stores do not replicate by themselves: what several lack is
//!   read once for all of them, of the main store or of the nearest region that has it (`routes`).
//!
//! It promises that VERIFIED means compared: size and checksum, in that region's own store, within the last
//! minutes. Both may be stopped anywhere and started again; a half-done copy goes on where it was. What one writes that
//! leads no more is refused by the database.
//!
//! It must never delete from a store, and never take a copy's end for a proof.

mod comparison;
mod config;
mod copying;
mod error;
pub mod metrics;
mod replicator;
mod routes;
mod service;
mod synchronizer;

pub use config::{Config, Region, ReplicatedBy};
pub use error::Error;
pub use service::Service;
