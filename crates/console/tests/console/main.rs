//! The console's promises, driven through its router against a real Postgres and a real git repository.

#![allow(clippy::unwrap_used)]

mod admitting;
mod building;
mod choosing;
mod collecting;
mod comparing;
mod deploying;
mod distributing;
mod enrolling;
mod following;
mod governing;
mod living;
mod logging;
mod publishing;
mod reading;
mod registering;
mod reporting;
mod support;
mod taking_stock;
mod tracing_back;
