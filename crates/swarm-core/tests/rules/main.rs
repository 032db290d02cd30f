//! The rules of the swarm, one by one, as a driver sees them.

mod driven;
mod fetching;
mod giving;
mod misbehaving;
mod sharing;
mod storing;
