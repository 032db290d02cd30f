//! Whole agents: real processes, a real swarm on loopback, and a manager that a test plays.

mod artifacts;
mod faults;
mod host;
mod lifecycle;
mod manager;
mod recovery;
