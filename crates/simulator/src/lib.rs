//! Beside the floors: a discrete-event simulator of one region's swarm.
//!
//! It drives [`swarm_core::Node`], the very code that hosts run, and nothing else: a [`Case`] says
//! how many hosts there are, how fast their links are and what goes wrong; [`run`] plays it and
//! returns a [`Report`], whose times are multiples of the least possible time ([`bound`]).
//!
//! Promises:
//!
//! - **Repeatable to the bit.** The same case gives the same events in the same order, and so the
//!   same [`Report::trace_hash`], on every machine.
//! - **Checked at every event.** The named invariants ([`Violation`]) hold after each event, or the
//!   run ends with the one that broke and when.
//!
//! It never reads a clock, a file or a socket, and has no rules of its own about the swarm. What it
//! does model is what a driver and a network do: links that send one piece after the other, latency,
//! connections that break when a host dies, and a manager that hands out a new neighbour for one
//! that is gone.

pub mod bound;
mod case;
mod event;
mod fates;
mod host;
mod invariants;
mod line;
mod report;
mod schedule;
mod slab;
mod topology;
mod trace;
mod world;

pub use case::{Case, Faults, InvalidCase, Link, Store, named};
pub use invariants::Violation;
pub use report::{Failure, Report};

/// Plays a case to its end: until every host that lives and is honest has every piece.
///
/// # Errors
/// When the case makes no sense, or an invariant broke.
pub fn run(case: &Case) -> Result<Report, Failure> {
    case.validate()?;
    world::World::new(case).play()
}
