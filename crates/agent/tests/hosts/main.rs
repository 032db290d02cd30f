//! Whole agents: real processes, a real swarm on loopback, and a manager that a test plays.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod artifacts;
mod blue_green;
mod containers;
mod controls;
mod cutovers;
mod faults;
mod frontend;
mod host;
mod isolation;
mod lifecycle;
mod logs;
mod manager;
mod recovery;
mod reuse;
mod sharing;
mod small_disk;
