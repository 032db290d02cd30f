//! Floor 3: brings every artifact to every region's store, and knows which regions truly hold it.
//!
//! Two reconcilers, each led by one process at a time:
//! - the `synchronizer` records the artifacts of builds that succeeded, and compares every replica with what
//!   it should be: one that matches is VERIFIED, one that vanished is PENDING again;
//! - the `replicator` copies what a region lacks, several regions at a time, where the stores do not
//!   replicate by themselves.
//!
//! It promises that VERIFIED means compared: size and checksum, in that region's own store, within the last
//! minutes. Both may be stopped anywhere and started again; a half-done copy goes on where it was.
//!
//! It must never delete from a store, and never take a copy's end for a proof.

mod comparison;
mod config;
mod error;
pub mod metrics;
mod replicator;
mod service;
mod synchronizer;

pub use config::Config;
pub use error::Error;
pub use service::Service;
