//! The controller between a real Postgres and two regions' real etcds.

mod deploying;
mod support;
