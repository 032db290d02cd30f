//! The controller between a real Postgres and two regions' real etcds.
#![allow(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "a test that cannot build its world should fail; its futures may be large"
)]

mod blue_green;
mod deploying;
mod fleet;
mod support;
mod watching;
