//! The cases by which the swarm is measured.

use super::{Case, Faults, Link, Store};

const GB: u64 = 1_000_000_000;
/// Bytes a second of a gigabit.
const GBIT: u64 = 125_000_000;

/// The case of this name, if there is one.
///
/// | name | what |
/// |---|---|
/// | `kraken` | Kraken's own published case: 3 GB to 2,600 hosts with 300 MB/s each, 5 seeds |
/// | `10k` | 10 GB to 10,000 hosts on 1 Gbit/s, from a store on 10 Gbit/s and one manager |
/// | `rough` | the same with rates spread 4:1, stragglers, deaths and rejoins |
/// | `scale-1k`, `scale-10k`, `scale-100k` | `10k` with more and fewer hosts |
/// | `world` | ten regions of 50,000 hosts |
/// | `net-8`, `net-16` | the real network bench: one seed as fast as its 8 or 16 hosts, no store |
#[must_use]
pub fn named(name: &str) -> Option<Case> {
    let case = match name {
        "kraken" => Case {
            bytes: 3 * GB,
            seeds: 5,
            seed_link: Link::even(300_000_000),
            hosts: 2_600,
            host_link: Link::even(300_000_000),
            ..Case::default()
        },
        "10k" | "scale-10k" => scale(10_000),
        "scale-1k" => scale(1_000),
        "scale-100k" => scale(100_000),
        "rough" => rough(),
        "world" => Case {
            regions: 10,
            ..scale(50_000)
        },
        "net-8" => net(8),
        "net-16" => net(16),
        _ => return None,
    };
    Some(case)
}

impl Case {
    /// The names that [`named`] knows.
    pub const NAMES: [&str; 9] = [
        "kraken",
        "10k",
        "rough",
        "scale-1k",
        "scale-10k",
        "scale-100k",
        "world",
        "net-8",
        "net-16",
    ];
}

fn scale(hosts: u32) -> Case {
    Case {
        bytes: 10 * GB,
        seeds: 1,
        seed_link: Link::even(GBIT),
        store: Some(Store::default()),
        hosts,
        host_link: Link::even(GBIT),
        ..Case::default()
    }
}

fn rough() -> Case {
    Case {
        spread: 4.0,
        stragglers: 0.02,
        straggler_factor: 10.0,
        faults: Faults {
            deaths: 0.05,
            deaths_from_ms: 1_000,
            deaths_until_ms: 300_000,
            rejoins: 0.4, // of the 5% that die: 2% of all
            rejoin_after_ms: 30_000,
            ..Faults::default()
        },
        ..scale(10_000)
    }
}

fn net(hosts: u32) -> Case {
    Case {
        bytes: 512 << 20,
        seed_link: Link::even(25_000_000),
        hosts,
        host_link: Link::even(25_000_000),
        zones: 1,
        latency_in_zone_us: 100,
        ..Case::default()
    }
}
