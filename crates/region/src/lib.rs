//! Floor 3: the replication manager of one region.
//!
//! Several may run in a region; etcd elects one. The leader lists what the region should run, seeds the
//! artifacts into the region's swarm straight from the region's store, tells every host that asks what to
//! do, which pieces to read from the store itself and whom to exchange pieces with, and tells the control
//! plane what its hosts say. A manager that does not lead says so to whoever asks.
//!
//! Where to read: `service` campaigns; `leader` is the one loop of a leader; `roster`, `topology`, `shares`,
//! `budget` and `distributions` are its pure rules; `listing`, `seeds`, `rarity`, `reporter`, `revocations` and
//! `logs` are its errands, each a task of its own, so that a slow etcd, store or API never keeps a host waiting for an
//! answer.
//!
//! Promises:
//!
//! - Every answer is a whole state; whatever is lost on the way costs only time.
//! - Leadership that is not certain any more ends at once: the manager answers that it stands by.
//! - What etcd, the store or the API says is asked for again every few seconds; their hints only make it
//!   faster.
//! - The content of an artifact is never held: a piece is read from the store when a host is sent it.
//! - The store is read a bounded number of times: once by all hosts together, each its share, and once and
//!   an eighth by the manager, which after that reads slowly (`budget`).
//! - Hosts never hold the store's credentials: they are handed addresses that open one artifact for a while.
//!
//! - A host whose key was revoked gets no answer, and every other host hears whom to keep out.
//!
//! It never decides what a host should run, and never believes a host about another.

mod budget;
mod config;
mod distributions;
mod facts;
mod leader;
mod listing;
mod logs;
pub mod metrics;
mod pieces;
mod rarity;
mod reporter;
mod revocations;
mod roster;
mod seeds;
mod service;
mod shares;
mod topology;
mod turns;

pub use config::{Config, Error};
pub use service::Service;
