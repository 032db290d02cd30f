//! The adapter against a real etcd.

mod common;
mod leadership;
mod publication;
