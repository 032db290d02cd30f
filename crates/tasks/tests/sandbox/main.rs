//! The sandbox against real processes.

#![allow(clippy::unwrap_used)]

mod fixture;
mod isolation;
mod limits;
