//! Floor 3: how a node comes by its certificate, and keeps having one.
//!
//! At its start a node that has no valid certificate takes one from the API, for a join token that an operator
//! made; from then on it exchanges its certificate for a new one long before it expires, for as long as it
//! lives.
//!
//! Promises:
//!
//! - A certificate that the region's authority did not sign for this very node is never used.
//! - An API that is away is asked again, for ever; a token that is refused ends the start with what to do.
//! - A certificate is on the disk, whole, before its token is deleted.
//! - A renewal never disturbs the running swarm, and its failure never stops the node: what runs goes on.
//!
//! It never decides who may join; that is the API's word.

mod api;
mod config;
mod files;
mod metrics;
mod schedule;
mod service;

pub use api::Failure;
pub use config::{Config, Error};
pub use service::Service;
