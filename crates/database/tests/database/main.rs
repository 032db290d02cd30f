//! The database's promises, held against a real Postgres.

#![allow(clippy::unwrap_used)]

mod admitting;
mod attempting;
mod claiming;
mod collecting;
mod deploying;
mod deployments;
mod distributing;
mod enrolling;
mod fencing;
mod fitting;
mod governing;
mod hinting;
mod hosts;
mod leading;
mod logging;
mod queueing;
mod racing;
mod reaping;
mod removing;
mod replicating;
mod reporting;
mod rolling;
mod rolling_back;
mod schedules;
mod support;
mod taking_stock;
mod turns;
mod watching;
mod working;
