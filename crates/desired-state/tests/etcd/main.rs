//! The adapter against a real etcd.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;
mod leadership;
mod publication;
