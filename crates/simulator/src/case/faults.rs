//! What goes wrong in a case.

use serde::{Deserialize, Serialize};

/// What goes wrong. Shares are of all hosts, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Hosts that die.
    pub deaths: f64,
    /// When the first dies, in milliseconds.
    pub deaths_from_ms: u64,
    /// When the last dies, in milliseconds; the same moment as the first makes all die at once.
    pub deaths_until_ms: u64,
    /// Of the hosts that die, those that come back with what was on their disk.
    pub rejoins: f64,
    /// How long they stay away, in milliseconds.
    pub rejoin_after_ms: u64,
    /// When all seeds die, in milliseconds. Only with a store can the others complete then.
    pub seeds_die_at_ms: Option<u64>,
    /// Hosts that say that they hold everything, and send wrong bytes for every piece.
    pub liars: f64,
    /// The same, but only one piece in ten is wrong.
    pub sly_liars: f64,
    /// Hosts that say that they hold everything, and refuse whatever they are asked for.
    pub boasters: f64,
    /// Hosts that say that they hold everything, accept requests and send nothing.
    pub stallers: f64,
    /// Requests that are lost on their way, as a share; as many are refused without a reason.
    pub loss: f64,
    /// Hosts whose disk fills up when they hold half of the artifact.
    pub full_disks: f64,
    /// When the first zone is cut off from the others, in milliseconds; never if it is not before
    /// `zone_back_at_ms`.
    pub zone_cut_at_ms: u64,
    /// When it is back, in milliseconds.
    pub zone_back_at_ms: u64,
    /// Hosts whose clock jumps by hours, forward and back.
    pub clock_jumps: f64,
}

pub(super) fn is_share(value: &f64) -> bool {
    (0.0..=1.0).contains(value)
}

impl Faults {
    pub(super) fn needs(&self) -> [(bool, &'static str); 4] {
        let of_hosts = [
            self.deaths,
            self.liars,
            self.sly_liars,
            self.boasters,
            self.stallers,
            self.full_disks,
        ];
        let shares = [self.rejoins, self.loss, self.clock_jumps];
        [
            (of_hosts.iter().chain(&shares).all(is_share), "shares from 0 to 1"),
            (
                of_hosts.iter().sum::<f64>() <= 1.0,
                "no more faulty hosts than hosts",
            ),
            (
                self.deaths_from_ms <= self.deaths_until_ms,
                "deaths that begin before they end",
            ),
            (self.loss <= 0.3, "a loss of at most 0.3"),
        ]
    }
}
