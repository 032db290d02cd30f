//! What is to be simulated.

use serde::{Deserialize, Serialize};

/// One region's swarm and what happens to it. Plain data, so that a case can come from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// Decides every random choice of the run.
    pub seed: u64,
    /// Pieces of the artifact.
    pub pieces: u32,
    /// Bytes of a piece.
    pub piece_bytes: u64,
    /// Seeds, which hold everything from the start.
    pub seeds: u32,
    /// A seed's link.
    pub seed_link: Link,
    /// Hosts, which hold nothing at the start.
    pub hosts: u32,
    /// The fastest host's link.
    pub host_link: Link,
    /// How many times slower the slowest host's link is; the others lie between. At least 1.
    pub spread: f64,
    /// Neighbours that the manager hands to each host.
    pub neighbours: u32,
    /// Zones, over which the hosts are spread evenly.
    pub zones: u32,
    /// One way between two hosts of a zone, in microseconds.
    pub latency_in_zone_us: u64,
    /// One way between two zones, in microseconds.
    pub latency_across_us: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// After so long somebody is stuck.
    pub limit_s: u64,
}

/// What a link carries each way, in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Away from the host.
    pub up: u64,
    /// Towards the host.
    pub down: u64,
}

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
    /// Hosts that say that they hold everything, and send wrong bytes.
    pub liars: f64,
    /// Hosts that say that they hold everything, accept requests and send nothing.
    pub stallers: f64,
}

/// Why a case makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a case needs {0}")]
pub struct InvalidCase(pub &'static str);

impl Case {
    pub(crate) fn validate(&self) -> Result<(), InvalidCase> {
        let Faults {
            deaths,
            rejoins,
            liars,
            stallers,
            ..
        } = self.faults;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let needs = [
            (
                self.hosts >= 1 && self.seeds >= 1,
                "at least one host and one seed",
            ),
            (
                self.pieces <= swarm_core::PIECES_MAX,
                "no more pieces than an artifact can have",
            ),
            (self.piece_bytes >= 1, "pieces of at least a byte"),
            (
                self.spread >= 1.0 && self.spread.is_finite(),
                "a spread of at least 1",
            ),
            (
                self.zones >= 1 && self.neighbours >= 2,
                "at least one zone and two neighbours",
            ),
            (
                self.neighbours <= 40,
                "at most 40 neighbours, the most that a manager hands out",
            ),
            (
                [deaths, rejoins, liars, stallers].into_iter().all(share),
                "shares from 0 to 1",
            ),
            (
                deaths + liars + stallers <= 1.0,
                "no more faulty hosts than hosts",
            ),
            (
                self.faults.deaths_from_ms <= self.faults.deaths_until_ms,
                "deaths that begin before they end",
            ),
            (
                [self.seed_link, self.host_link].iter().all(|link| {
                    // A byte a millisecond, so that nothing lasts for ever.
                    link.up as f64 / self.spread >= 1000.0 && link.down as f64 / self.spread >= 1000.0
                }),
                "links of at least 1000 bytes a second",
            ),
        ];
        needs
            .into_iter()
            .find(|(met, _)| !met)
            .map_or(Ok(()), |(_, need)| Err(InvalidCase(need)))
    }
}

impl Default for Case {
    /// A hundred hosts on 1 Gbit/s, one seed on 10 Gbit/s, 1 GiB in pieces of 1 MiB.
    fn default() -> Self {
        Self {
            seed: 1,
            pieces: 1024,
            piece_bytes: 1 << 20,
            seeds: 1,
            seed_link: Link {
                up: 1_250_000_000,
                down: 1_250_000_000,
            },
            hosts: 100,
            host_link: Link {
                up: 125_000_000,
                down: 125_000_000,
            },
            spread: 1.0,
            neighbours: 20,
            zones: 3,
            latency_in_zone_us: 250,
            latency_across_us: 1_000,
            faults: Faults::default(),
            limit_s: 24 * 3600,
        }
    }
}
