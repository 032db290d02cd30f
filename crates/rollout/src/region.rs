//! What one region says of a deployment.

use model::rollout::{Order, Wave};
use model::{RegionName, ZoneName};
use std::collections::BTreeMap;

/// One region's hosts, counted for one deployment. Only hosts that the deployment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Which region.
    pub name: RegionName,
    /// Whether the region's etcd holds what it should be told last.
    pub told: bool,
    /// Whether the region's manager has reported lately, and knows of the deployment. Of a region that has not, nothing is
    /// known, not even how many hosts it has.
    pub heard: bool,
    /// How many hosts have their turn; [`u64::MAX`] for everybody.
    pub cursor: u64,
    /// Whether the region is to be told that the others keep the release warm beside what they run.
    pub warms: bool,
    /// Hosts by zone: those alive, and those lost that have the release.
    pub zones: BTreeMap<ZoneName, u64>,
    /// Hosts that hold every byte of the release, verified; also those that run it already.
    pub staged: u64,
    /// Hosts that were told to run the release and took that order. All below are among these.
    pub activated: u64,
    /// Those that run it and have been healthy for as long as the policy asks.
    pub settled: u64,
    /// Those of them that have given as many good answers as the wave asks.
    pub observed: u64,
    /// Those that failed: in error though they were well before, or not healthy, or not heard of, for longer than the
    /// policy allows.
    pub failed: u64,
    /// Those in error that were in error before the deployment reached them.
    pub excused: u64,
    /// Those that were not heard of for a while, though not for longer than the policy allows.
    pub unknown: u64,
    /// Hosts that keep the release warm, whose turn has not come.
    pub warm: Warm,
    /// What one that failed says.
    pub error: Option<String>,
}

/// Of one region's hosts, those that run a release beside what serves. A host that got its turn is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Warm {
    /// Those that have it ready, for as long as the policy asks.
    pub ready: u64,
    /// Those of them with as many good answers as the wave asks.
    pub observed: u64,
    /// Those that failed with it.
    pub failed: u64,
    /// Those that failed with it, and with what ran before.
    pub excused: u64,
}

impl Region {
    /// All hosts.
    pub fn hosts(&self) -> u64 {
        self.zones.values().sum()
    }

    /// Hosts that have their turn, whether or not they know it yet.
    pub(crate) fn admitted(&self) -> u64 {
        self.cursor.min(self.hosts()).max(self.activated)
    }

    /// Hosts that have their turn and whose fate is open.
    pub(crate) fn on_their_way(&self) -> u64 {
        let decided = self.settled + self.failed + self.excused;
        self.admitted().saturating_sub(decided)
    }

    /// Hosts that failed, whether or not their turn had come.
    pub(crate) fn failures(&self) -> u64 {
        self.failed + self.warm.failed
    }

    /// Hosts that should have the release ready beside what serves.
    pub(crate) fn to_warm(&self) -> u64 {
        let decided = self.warm.failed + self.warm.excused;
        self.hosts().saturating_sub(self.activated + decided)
    }

    /// Whether more of its hosts may be moved: it can be told, and what it says is fresh.
    pub(crate) fn is_open(&self) -> bool {
        self.told && self.heard
    }

    /// Whether a wave is about this region.
    pub(crate) fn is_in(&self, wave: &Wave) -> bool {
        wave.regions.is_empty() || wave.regions.contains(&self.name)
    }

    /// Of the wave's hosts here: how many come before them in the region's order, and how many they are.
    pub(crate) fn span(&self, wave: &Wave) -> (u64, u64) {
        let Some(first) = wave.zones.iter().min() else {
            return (0, self.hosts());
        };
        let before = self.zones.range(..first).map(|(_, hosts)| hosts).sum();
        let inside = wave.zones.iter().filter_map(|zone| self.zones.get(zone)).sum();
        (before, inside)
    }

    /// The order that a wave moves hosts in.
    pub(crate) fn order(waves: &[Wave]) -> Order {
        if waves.iter().any(|wave| !wave.zones.is_empty()) {
            Order::Zones
        } else {
            Order::Hash
        }
    }
}
