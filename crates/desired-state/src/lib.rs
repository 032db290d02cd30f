//! Floor 2: what a region should run, kept in that region's etcd.
//!
//! The publisher writes one small key a service, and one for what operators said about the region's
//! distributions; the region's replication manager reads them all. The
//! number of keys and their size do not depend on how many hosts the region has.
//!
//! It promises:
//! - an epoch never goes back: a publication carries its predecessor's revision in a transaction, and a
//!   smaller epoch is refused, whoever sends it and however late it arrives;
//! - a [`Watch`] is a hint that survives compaction, restarts and lost connections; [`DesiredState::list`]
//!   is the truth;
//! - a [`Leadership`] is given up *before* its lease can expire, by this process's own clock, so that two
//!   managers of a region never both believe that they lead. Its term only grows.
//!
//! This is the only room that knows etcd's client. It must never hold a key per host, and it never deletes
//! what a region should run.

mod election;
mod error;
mod lease;
mod publish;
mod snapshot;
mod store;
mod watch;

pub use election::Leadership;
pub use error::Error;
pub use publish::Published;
pub use snapshot::Snapshot;
pub use store::DesiredState;
pub use watch::Watch;
