//! Beside the house: the machines that benches run on, which are all this machine.
//!
//! A [`Node`] is a place with an address where processes are started: this machine's loopback, or a network namespace
//! of a [`Bridge`], whose link is capped both ways as a switch caps a port. Nothing of it outlives the bench: a
//! namespace lives as long as the process that keeps it, and every process ends with the one that started it.
//!
//! It never touches the machine's own network: the bridge, too, lies in a namespace.

mod bridge;
mod node;

pub use bridge::{Bridge, Cap, enter};
pub use node::Node;
