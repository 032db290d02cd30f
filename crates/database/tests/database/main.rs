//! The database's promises, held against a real Postgres.

mod claiming;
mod deploying;
mod fencing;
mod hinting;
mod leading;
mod reaping;
mod replicating;
mod reporting;
mod schedules;
mod support;
