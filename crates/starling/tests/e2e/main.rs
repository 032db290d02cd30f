//! The whole, end to end: the real binary as its users run it, with real Postgres, etcd, S3 protocol,
//! libp2p, git, processes and a browser. One system at a time: these machines are small.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod bad_releases;
mod blue_green;
mod browser;
mod cutover;
mod distributions;
mod enrolment;
mod failpoints;
mod faults;
mod fixture;
mod fleet;
mod journey;
mod lua;
mod processes;
mod rollouts;
mod system;
