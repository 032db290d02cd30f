//! A whole manager between a real etcd, a real store, a real swarm and a small API that listens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod api;
mod leadership;
mod logs;
mod node;
mod orders;
mod reports;
mod revocations;
mod shares;
mod store;
mod support;
