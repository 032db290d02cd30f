//! The proxy with real sockets: tasks that answer, stall and die, clients of every protocol, swaps under load.

#![allow(clippy::unwrap_used)]

mod bodies;
mod client;
mod commands;
mod rig;
mod swaps;
mod takeover;
mod targets;
mod task;
mod upgrades;
