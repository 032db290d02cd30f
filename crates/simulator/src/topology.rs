//! Who is whose neighbour at the start: what a manager hands out.

use crate::Case;
use rand::seq::{IndexedRandom, SliceRandom};
use std::collections::BTreeSet;

/// The neighbours that a seed is given for each that a host is given, up to [`NEIGHBOURS_MAX`]: many, so
/// that its pieces start to spread in many places.
const SEED_FACTOR: u32 = 2;
/// The most neighbours that a manager hands out.
pub const NEIGHBOURS_MAX: u32 = 40;

/// The pairs of neighbours; hosts are counted from 0, seeds after them.
///
/// A near-regular random graph: rings through the hosts in random order, each of which gives
/// everybody two neighbours. One ring goes through the whole region, so that it is connected; the
/// others stay within a zone.
pub fn pairs(case: &Case, rng: &mut impl rand::Rng) -> BTreeSet<(u32, u32)> {
    let mut pairs = BTreeSet::new();
    let hosts: Vec<u32> = (0..case.hosts).collect();
    add_ring(&mut pairs, hosts.clone(), rng);
    for _ in 1..case.neighbours.div_ceil(2) {
        for zone in 0..case.zones {
            let of_zone = hosts
                .iter()
                .copied()
                .filter(|host| host % case.zones == zone)
                .collect();
            add_ring(&mut pairs, of_zone, rng);
        }
    }
    for seed in case.hosts..case.hosts + case.seeds {
        let count = (case.neighbours * SEED_FACTOR).min(NEIGHBOURS_MAX) as usize;
        pairs.extend(hosts.sample(rng, count).map(|&host| (host, seed)));
    }
    pairs
}

fn add_ring(pairs: &mut BTreeSet<(u32, u32)>, mut members: Vec<u32>, rng: &mut impl rand::Rng) {
    members.shuffle(rng);
    let next = members.iter().cycle().skip(1);
    let ring = members.iter().zip(next).filter(|(a, b)| a != b);
    pairs.extend(ring.map(|(&a, &b)| (a.min(b), a.max(b))));
}
