//! Who is faulty, and when what happens: drawn once, before the run.

use crate::host::Kind;
use crate::{Case, Link};
use rand::RngExt;
use rand::seq::SliceRandom;

/// When a host dies, and when it comes back if it does, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub host: u32,
    pub at_ms: u64,
    pub back_at_ms: Option<u64>,
}

/// What each host is, and which of the honest ones die.
#[derive(Debug)]
pub struct Fates {
    pub kinds: Vec<Kind>,
    pub deaths: Vec<Death>,
}

pub fn draw(case: &Case, rng: &mut impl rand::Rng) -> Fates {
    let faults = &case.faults;
    let count = |share: f64| (f64::from(case.hosts) * share).floor() as usize;
    let mut order: Vec<u32> = (0..case.hosts).collect();
    order.shuffle(rng);
    let (liars, rest) = order.split_at(count(faults.liars).min(order.len()));
    let (stallers, rest) = rest.split_at(count(faults.stallers).min(rest.len()));
    let (dying, _) = rest.split_at(count(faults.deaths).min(rest.len()));

    let mut kinds = vec![Kind::Honest; case.hosts as usize];
    liars.iter().for_each(|&host| kinds[host as usize] = Kind::Liar);
    stallers
        .iter()
        .for_each(|&host| kinds[host as usize] = Kind::Staller);
    kinds.extend((0..case.seeds).map(|_| Kind::Seed));

    let returning = (dying.len() as f64 * faults.rejoins).floor() as usize;
    let deaths = dying.iter().enumerate().map(|(index, &host)| {
        let at_ms = rng.random_range(faults.deaths_from_ms..=faults.deaths_until_ms);
        let back_at_ms = (index < returning).then(|| at_ms.saturating_add(faults.rejoin_after_ms));
        Death {
            host,
            at_ms,
            back_at_ms,
        }
    });
    Fates {
        deaths: deaths.collect(),
        kinds,
    }
}

/// The link of one host.
pub fn link(case: &Case, kind: Kind, rng: &mut impl rand::Rng) -> Link {
    if kind == Kind::Seed {
        return case.seed_link;
    }
    let slower = rng.random_range(1.0..=case.spread);
    Link {
        up: (case.host_link.up as f64 / slower) as u64,
        down: (case.host_link.down as f64 / slower) as u64,
    }
}
