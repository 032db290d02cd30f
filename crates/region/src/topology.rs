//! Who is whose neighbour: a pure rule, the same in every manager.
//!
//! Each ring is all hosts in an order that a hash gives them, closed to a circle, and a host's neighbours
//! are those before and after it on every ring. Several rings in orders that have nothing to do with each
//! other make a random graph in which every host has nearly the same number of neighbours, everybody is a
//! few steps from everybody, and a host that joins or leaves changes two edges a ring and no more. Most
//! rings run through one zone, where bytes are cheap; a few run through the whole region, so that it never
//! falls apart.

use model::{HostName, ZoneName};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::ops::Bound::{Excluded, Unbounded};

/// Rings through one zone.
const ZONE_RINGS: usize = 8;
/// Rings through the whole region.
const REGION_RINGS: usize = 2;
/// The most neighbours of a host.
#[cfg(test)]
const DEGREE_MAX: usize = 2 * (ZONE_RINGS + REGION_RINGS);

/// Hosts in the order of their hash.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Ring(BTreeSet<(u64, HostName)>);

impl Ring {
    /// The hosts after and before `place`, around the corner if need be.
    fn beside<'a>(&'a self, place: &(u64, HostName)) -> [Option<&'a HostName>; 2] {
        let after = self
            .0
            .range((Excluded(place), Unbounded))
            .next()
            .or(self.0.first());
        let before = self
            .0
            .range((Unbounded, Excluded(place)))
            .next_back()
            .or(self.0.last());
        [after, before].map(|found| found.map(|(_, host)| host))
    }
}

/// All rings of a region.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    region: [Ring; REGION_RINGS],
    zones: HashMap<ZoneName, [Ring; ZONE_RINGS]>,
}

impl Topology {
    pub(crate) fn insert(&mut self, host: &HostName, zone: &ZoneName) {
        let zone = self.zones.entry(zone.clone()).or_default();
        for (number, ring) in self.region.iter_mut().chain(zone).enumerate() {
            ring.0.insert(place(number, host));
        }
    }

    pub(crate) fn remove(&mut self, host: &HostName, zone: &ZoneName) {
        let rings = self.zones.get_mut(zone).into_iter().flatten();
        for (number, ring) in self.region.iter_mut().chain(rings).enumerate() {
            ring.0.remove(&place(number, host));
        }
        if self.zones.get(zone).is_some_and(|rings| rings[0].0.is_empty()) {
            self.zones.remove(zone);
        }
    }

    /// How many hosts each zone has.
    pub(crate) fn zones(&self) -> BTreeMap<ZoneName, u64> {
        let zones = self.zones.iter();
        zones
            .map(|(zone, rings)| (zone.clone(), rings[0].0.len() as u64))
            .collect()
    }

    /// A host's neighbours, at most [`DEGREE_MAX`], each once, never itself. Who is whose neighbour is
    /// mutual. A host that was not inserted has none.
    pub(crate) fn neighbours(&self, host: &HostName, zone: &ZoneName) -> BTreeSet<&HostName> {
        let rings = self.zones.get(zone).into_iter().flatten();
        let mut found = BTreeSet::new();
        for (number, ring) in self.region.iter().chain(rings).enumerate() {
            let place = place(number, host);
            if ring.0.contains(&place) {
                found.extend(ring.beside(&place).into_iter().flatten());
            }
        }
        found.remove(host);
        found
    }
}

/// A host's place on a ring. It must be alike in all managers of one version, and need not be in others.
fn place(ring: usize, host: &HostName) -> (u64, HostName) {
    let mut hasher = DefaultHasher::new();
    (ring, host).hash(&mut hasher);
    (hasher.finish(), host.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Members = Vec<(HostName, ZoneName)>;

    fn members(hosts: usize, zones: usize) -> Members {
        (0..hosts)
            .map(|index| {
                let host = format!("host-{index}").parse().unwrap();
                (host, format!("zone-{}", index % zones).parse().unwrap())
            })
            .collect()
    }

    fn topology(members: &Members) -> Topology {
        let mut topology = Topology::default();
        for (host, zone) in members {
            topology.insert(host, zone);
        }
        topology
    }

    /// How many hosts can be reached from the first.
    fn reached(topology: &Topology, members: &Members) -> usize {
        let zones: HashMap<_, _> = members.iter().map(|(host, zone)| (host, zone)).collect();
        let mut seen = BTreeSet::from([&members[0].0]);
        let mut open = vec![&members[0].0];
        while let Some(host) = open.pop() {
            for next in topology.neighbours(host, zones[host]) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen.len()
    }

    proptest! {
        #[test]
        fn neighbours_are_mutual_bounded_and_connect_everybody(hosts in 1..120_usize, zones in 1..5_usize) {
            let members = members(hosts, zones);
            let topology = topology(&members);
            let zones: HashMap<_, _> = members.iter().cloned().collect();
            for (host, zone) in &members {
                let neighbours = topology.neighbours(host, zone);
                prop_assert!(neighbours.len() <= DEGREE_MAX);
                prop_assert!(!neighbours.contains(host));
                prop_assert!(hosts == 1 || !neighbours.is_empty());
                for other in neighbours {
                    prop_assert!(topology.neighbours(other, &zones[other]).contains(host));
                }
            }
            prop_assert_eq!(reached(&topology, &members), hosts);
        }

        #[test]
        fn who_leaves_is_gone_and_changes_few_others(hosts in 2..120_usize, zones in 1..5_usize) {
            let members = members(hosts, zones);
            let before = topology(&members);
            let mut after = before.clone();
            let (gone, gone_zone) = &members[0];
            after.remove(gone, gone_zone);
            let changed = members[1..]
                .iter()
                .filter(|(host, zone)| before.neighbours(host, zone) != after.neighbours(host, zone))
                .count();
            prop_assert!(changed <= DEGREE_MAX);
            prop_assert!(after.neighbours(gone, gone_zone).is_empty());
            after.insert(gone, gone_zone);
            prop_assert_eq!(after, before, "joining again leads back");
        }
    }

    #[test]
    fn in_a_large_region_most_neighbours_are_near_and_nobody_is_poor() {
        let members = members(3_000, 3);
        let topology = topology(&members);
        let zones: HashMap<_, _> = members.iter().cloned().collect();
        let mut far = 0;
        for (host, zone) in &members {
            let neighbours = topology.neighbours(host, zone);
            let near = neighbours.iter().filter(|other| zones[**other] == *zone).count();
            assert!(
                neighbours.len() >= DEGREE_MAX - 4,
                "{host} has {}",
                neighbours.len()
            );
            assert!(near >= 2 * ZONE_RINGS - 4, "{host} has {near} near");
            far += neighbours.len() - near;
        }
        // Each has four neighbours on the region's rings, of which two thirds are in another zone.
        assert!(far > 2 * members.len(), "{far} edges leave their zone");
    }

    #[test]
    fn a_small_zone_is_fully_connected() {
        let members = members(4, 1);
        let topology = topology(&members);
        for (host, zone) in &members {
            assert_eq!(topology.neighbours(host, zone).len(), 3);
        }
    }
}
