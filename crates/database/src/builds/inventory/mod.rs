//! The inventory: every instance that takes part, and how it is.
//!
//! A host with an agent of ours comes in by its region's report (`agents`), any other program by a join token
//! (`register`). What each is lies in one table; what a program says of itself every few seconds lies apart
//! (`heartbeats`), in narrow rows without an index on what changes.

mod agents;
mod fleet;
mod fold;
mod heartbeats;
mod label_terms;
mod list;
mod register;
mod retire;
mod writer;

pub(super) use agents::take_in;
pub(super) use fleet::check as check_fleet;
pub use fleet::{FleetMismatch, KnownLabel};
pub use heartbeats::{Beat, Heard};
pub use list::{InventoryFilter, InventoryPosition, InventoryRow, RunningService};
pub use register::{InstanceSecret, RegisteredRow, Registration, RegistrationRefused};
pub use writer::Heartbeats;
