//! Which host reads which part of an artifact from the region's store: a pure rule, the same in every
//! manager.
//!
//! The pieces lie in a fixed number of slots ([`swarm_core::store_share`]), and each slot belongs to the host
//! with the highest score, which is a hash of artifact, slot and host: rendezvous hashing (Thaler &
//! Ravishankar, "Using name-based mappings to increase hit rates", 1998). So
//!
//! - at any moment every slot belongs to exactly one host, and the region reads each byte once;
//! - of a thousand hosts some sixty read, of three all;
//! - a host that joins takes over the slots that it wins and no others move, and when one leaves only its
//!   own slots move, each to the next in its order;
//! - a new leader hands out what the one before did.

use model::{ArtifactId, HostName};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use swarm_core::store_share::SLOTS;

/// The holder of each slot and its score; nobody while there are no hosts.
type Holders = [Option<(u64, HostName)>; SLOTS as usize];

/// The shares of every artifact that was asked about.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    hosts: BTreeSet<HostName>,
    artifacts: HashMap<ArtifactId, Box<Holders>>,
}

impl Shares {
    /// A host takes part from now on.
    pub(crate) fn insert(&mut self, host: &HostName) {
        if self.hosts.insert(host.clone()) {
            for (artifact, holders) in &mut self.artifacts {
                compete(holders, artifact, host, u64::MAX);
            }
        }
    }

    /// A host takes part no more; its slots go to others.
    pub(crate) fn remove(&mut self, host: &HostName) {
        if !self.hosts.remove(host) {
            return;
        }
        for (artifact, holders) in &mut self.artifacts {
            let mut lost = 0;
            for (slot, holder) in holders.iter_mut().enumerate() {
                if holder.take_if(|(_, holder)| holder == host).is_some() {
                    lost |= 1 << slot;
                }
            }
            if lost != 0 {
                self.hosts
                    .iter()
                    .for_each(|host| compete(holders, artifact, host, lost));
            }
        }
    }

    /// The slots of a host, one bit each.
    pub(crate) fn slots(&mut self, artifact: &ArtifactId, host: &HostName) -> u64 {
        let holders = self.artifacts.entry(*artifact).or_insert_with(|| {
            let mut holders = Box::new([const { None }; SLOTS as usize]);
            self.hosts
                .iter()
                .for_each(|host| compete(&mut holders, artifact, host, u64::MAX));
            holders
        });
        let held = holders
            .iter()
            .enumerate()
            .filter(|(_, holder)| holder.as_ref().is_some_and(|(_, holder)| holder == host));
        held.fold(0, |slots, (slot, _)| slots | 1 << slot)
    }

    /// Forgets artifacts that are distributed no more.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&ArtifactId) -> bool) {
        self.artifacts.retain(|artifact, _| wanted(artifact));
    }
}

/// Gives a host those of `slots` for which it has a higher score than their holder.
fn compete(holders: &mut Holders, artifact: &ArtifactId, host: &HostName, slots: u64) {
    let mut hasher = DefaultHasher::new();
    (artifact.0, host).hash(&mut hasher);
    for (slot, holder) in (0_u64..).zip(holders) {
        if slots >> slot & 1 == 0 {
            continue;
        }
        // A second round over the first one's result is cheaper than hashing both names 64 times.
        let mut hasher = hasher.clone();
        slot.hash(&mut hasher);
        let score = hasher.finish();
        if holder
            .as_ref()
            .is_none_or(|(highest, other)| (*highest, other) < (score, host))
        {
            *holder = Some((score, host.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ARTIFACT: ArtifactId = ArtifactId([7; 32]);

    fn host(number: usize) -> HostName {
        format!("host-{number}").parse().unwrap()
    }

    fn shares(hosts: usize) -> Shares {
        let mut shares = Shares::default();
        (0..hosts).for_each(|number| shares.insert(&host(number)));
        shares
    }

    fn dealt(shares: &mut Shares, hosts: usize) -> Vec<u64> {
        (0..hosts)
            .map(|number| shares.slots(&ARTIFACT, &host(number)))
            .collect()
    }

    proptest! {
        #[test]
        fn every_slot_belongs_to_one_host(hosts in 1..300_usize) {
            let mut seen = 0;
            for slots in dealt(&mut shares(hosts), hosts) {
                prop_assert_eq!(seen & slots, 0, "a slot belongs to two");
                seen |= slots;
            }
            prop_assert_eq!(seen, u64::MAX);
        }

        #[test]
        fn who_leaves_takes_only_its_own_slots_along_and_who_returns_gets_them_back(
            hosts in 2..100_usize, gone in 0..100_usize,
        ) {
            let gone = gone % hosts;
            let mut shares = shares(hosts);
            let before = dealt(&mut shares, hosts);
            shares.remove(&host(gone));
            let after = dealt(&mut shares, hosts);
            prop_assert_eq!(after[gone], 0);
            for number in (0..hosts).filter(|&number| number != gone) {
                prop_assert_eq!(after[number] & before[number], before[number]);
                prop_assert_eq!(after[number] & !before[number] & !before[gone], 0);
            }
            prop_assert_eq!(after.iter().fold(0, |all, slots| all | slots), u64::MAX);
            shares.insert(&host(gone));
            prop_assert_eq!(dealt(&mut shares, hosts), before);
        }

        #[test]
        fn it_does_not_matter_when_an_artifact_is_first_asked_about(hosts in 1..60_usize) {
            let mut early = Shares::default();
            early.slots(&ARTIFACT, &host(0));
            (0..hosts).rev().for_each(|number| early.insert(&host(number)));
            prop_assert_eq!(dealt(&mut early, hosts), dealt(&mut shares(hosts), hosts));
        }
    }

    #[test]
    fn of_many_hosts_about_sixty_read_and_none_reads_much() {
        let slots = dealt(&mut shares(1_000), 1_000);
        let readers = slots.iter().filter(|slots| **slots != 0).count();
        assert!((55..=64).contains(&readers), "{readers} read");
        assert!(slots.iter().all(|slots| slots.count_ones() <= 4));
    }

    #[test]
    fn of_three_hosts_all_read_about_a_third() {
        for slots in dealt(&mut shares(3), 3) {
            assert!((12..=32).contains(&slots.count_ones()), "{}", slots.count_ones());
        }
    }

    #[test]
    fn two_artifacts_are_shared_out_differently() {
        let mut shares = shares(100);
        let other = ArtifactId([8; 32]);
        let same = (0..100).filter(|&number| {
            let slots = shares.slots(&ARTIFACT, &host(number));
            slots != 0 && slots == shares.slots(&other, &host(number))
        });
        assert_eq!(same.count(), 0);
    }
}
