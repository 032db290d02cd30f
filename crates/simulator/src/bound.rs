//! The least time in which anybody could distribute a simulated file.

use swarm_core::bound::{self, Links};

/// What no scheme beats, in seconds, for a file of so many bytes, seeds that give so many bytes a second
/// together, and these hosts: see [`swarm_core::bound::least_seconds`].
#[must_use]
pub fn least_seconds(bytes: u64, seeds_up: u64, hosts: &[crate::Link]) -> f64 {
    let slowest_down = hosts.iter().map(|link| link.down).min().unwrap_or(u64::MAX);
    let links = Links {
        seeds_up: seeds_up as f64,
        slowest_down: slowest_down as f64,
        hosts_up: hosts.iter().map(|link| link.up as f64).sum(),
    };
    bound::least_seconds(bytes, hosts.len(), &links)
}
