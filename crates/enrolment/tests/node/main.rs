//! A node between its files and an API that a test plays.

#![allow(clippy::unwrap_used)]

mod api;
mod enrolling;
mod renewing;
mod support;
