//! What is to be simulated.

mod faults;
mod named;

pub use faults::Faults;
pub use named::named;

use serde::{Deserialize, Serialize};

/// One region's swarm and what happens to it. Plain data, so that a case can come from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// Decides every random choice of the run.
    pub seed: u64,
    /// Bytes of the artifact.
    pub bytes: u64,
    /// Bytes of a piece; 0 for what an artifact of that size would have.
    pub piece_bytes: u64,
    /// Regions with these hosts each. They share nothing, so they are played one after the other,
    /// each with a seed of its own.
    pub regions: u32,
    /// Managers that seed, which hold everything from the start.
    pub seeds: u32,
    /// A seed's link.
    pub seed_link: Link,
    /// The region's object store, if hosts may pull from it.
    pub store: Option<Store>,
    /// Hosts, which hold nothing at the start.
    pub hosts: u32,
    /// The fastest host's link.
    pub host_link: Link,
    /// How many times slower the slowest host's link is; the others lie between. At least 1.
    pub spread: f64,
    /// Hosts, as a share, whose link is slower than that of all others.
    pub stragglers: f64,
    /// How many times slower than the fastest host's.
    pub straggler_factor: f64,
    /// Hosts, as a share, that start later than the others.
    pub late: f64,
    /// When the last of them starts, in milliseconds.
    pub late_until_ms: u64,
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

impl Link {
    /// The same both ways.
    #[must_use]
    pub const fn even(bytes_per_s: u64) -> Self {
        Self {
            up: bytes_per_s,
            down: bytes_per_s,
        }
    }
}

/// The region's object store as the hosts see it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// What it sends, over all requests, in bytes a second.
    pub up: u64,
    /// From a request to its first byte, in microseconds.
    pub latency_us: u64,
    /// Hosts among whom the manager shares out the pieces.
    pub pullers: u32,
    /// Managers that share them out, each in its own way, one a second after the other.
    pub hands: u8,
    /// When it stops answering, in milliseconds; never if it is not before `back_at_ms`.
    pub fails_at_ms: u64,
    /// When it answers again, in milliseconds.
    pub back_at_ms: u64,
}

impl Default for Store {
    /// 10 Gbit/s, as fast as the network of one large machine.
    fn default() -> Self {
        Self {
            up: 1_250_000_000,
            latency_us: 20_000,
            pullers: 64,
            hands: 1,
            fails_at_ms: 0,
            back_at_ms: 0,
        }
    }
}

/// Why a case makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a case needs {0}")]
pub struct InvalidCase(pub &'static str);

impl Case {
    /// Bytes of a piece; the last one may have fewer.
    #[must_use]
    pub fn piece_length(&self) -> u64 {
        match self.piece_bytes {
            0 => u64::from(artifact::piece_length_for(self.bytes)),
            bytes => bytes,
        }
    }

    /// Pieces of the artifact.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        u32::try_from(self.bytes.div_ceil(self.piece_length())).unwrap_or(u32::MAX)
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidCase> {
        self.needs()
            .into_iter()
            .chain(self.faults.needs())
            .find(|(met, _)| !met)
            .map_or(Ok(()), |(_, need)| Err(InvalidCase(need)))
    }

    fn needs(&self) -> Vec<(bool, &'static str)> {
        let factor = |value: f64| value >= 1.0 && value.is_finite();
        let slowest = if self.stragglers > 0.0 {
            self.spread.max(self.straggler_factor)
        } else {
            self.spread
        };
        // A byte a millisecond, so that nothing lasts for ever.
        let carries = |link: &Link| link.up.min(link.down) as f64 / slowest >= 1000.0;
        vec![
            (self.hosts >= 1, "at least one host"),
            (
                self.hosts <= 1_000_000 && self.regions >= 1 && self.seeds <= 64,
                "at most a million hosts, at least one region, at most 64 seeds",
            ),
            (
                self.seeds >= 1 || self.store.is_some(),
                "a seed, or a store to pull from",
            ),
            (
                self.pieces() <= swarm_core::PIECES_MAX,
                "no more pieces than an artifact can have",
            ),
            (
                factor(self.spread) && factor(self.straggler_factor),
                "a spread and a straggler_factor of at least 1",
            ),
            (
                (1..=1000).contains(&self.zones) && (2..=40).contains(&self.neighbours),
                "1 to 1000 zones and 2 to 40 neighbours, the most that a manager hands out",
            ),
            (
                [self.stragglers, self.late].iter().all(faults::is_share),
                "shares from 0 to 1",
            ),
            (
                [self.seed_link, self.host_link].iter().all(carries),
                "links that carry at least 1000 bytes a second on the slowest host",
            ),
            (
                self.store.is_none_or(|store| {
                    store.up >= 1000 && store.pullers >= 1 && (1..=8).contains(&store.hands)
                }),
                "a store of at least 1000 bytes a second, with a puller and 1 to 8 hands",
            ),
        ]
    }
}

impl Default for Case {
    /// A hundred hosts on 1 Gbit/s, one seed on 10 Gbit/s, 1 GiB.
    fn default() -> Self {
        Self {
            seed: 1,
            bytes: 1 << 30,
            piece_bytes: 0,
            regions: 1,
            seeds: 1,
            seed_link: Link::even(1_250_000_000),
            store: None,
            hosts: 100,
            host_link: Link::even(125_000_000),
            spread: 1.0,
            stragglers: 0.0,
            straggler_factor: 10.0,
            late: 0.0,
            late_until_ms: 0,
            neighbours: 20,
            zones: 3,
            latency_in_zone_us: 250,
            latency_across_us: 1_000,
            faults: Faults::default(),
            limit_s: 24 * 3600,
        }
    }
}
