//! A distribution: one artifact on its way to one region's hosts.
//!
//! An *arrival* is its way to one host, as that host tells it; a [`Distribution`] is the arrivals of a
//! region folded to one bounded summary, whatever the number of hosts; a [`Curve`] is how it went.

use crate::instance::Transfer;
use crate::macros::word_enum;
use crate::{ArtifactId, HostName, ZoneName};
use serde::{Deserialize, Serialize};

/// The most arrivals in one host's report.
pub const ARRIVALS_MAX: usize = 8;
/// The most distributions in one region's report; a manager with more to say says it in the next.
pub const DISTRIBUTIONS_MAX: usize = 16;
/// The most hosts that a summary names as slow.
pub const SLOWEST_MAX: usize = 10;
/// The most neighbours of a manager that are looked at.
pub const NEIGHBOURS_SAMPLED_MAX: usize = 64;
/// The most points of a curve.
pub const CURVE_POINTS_MAX: usize = 120;

word_enum!(
    /// How far an artifact is on one host.
    ArrivalState {
        /// Wanted, and not begun: other artifacts or the manifest come first.
        Waiting = "WAITING",
        /// Its pieces come in, or what lay on the disk is being verified.
        Fetching = "FETCHING",
        /// An operator paused it; what is here stays.
        Paused = "PAUSED",
        /// An operator aborted it; nothing of it is here.
        Aborted = "ABORTED",
        /// The disk has no room for it.
        DiskFull = "DISK_FULL",
        /// It can't be had for another reason, which the service's instance tells; it is tried again.
        Failed = "FAILED",
        /// Every byte is here and verified.
        Complete = "COMPLETE",
    }
);

word_enum!(
    /// What an arrival waits for most, as far as its host can tell.
    Hindrance {
        /// Checking and writing pieces takes longer than the network takes to bring them.
        Disk = "DISK",
        /// It comes as fast as the limit on downloads allows.
        DownloadLimit = "DOWNLOAD_LIMIT",
        /// It gives as fast as the limit on uploads allows.
        UploadLimit = "UPLOAD_LIMIT",
        /// Sources send pieces whose hash is wrong.
        WrongPieces = "WRONG_PIECES",
        /// Nobody sends anything.
        NoSource = "NO_SOURCE",
    }
);

/// Verified bytes a second by where they come from, and bytes a second given to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// From the region's replication manager.
    pub seed: u64,
    /// From other hosts.
    pub peer: u64,
    /// From the region's object store directly.
    pub store: u64,
    /// To other hosts.
    pub given: u64,
}

impl Rates {
    /// All that comes in.
    pub const fn taken(&self) -> u64 {
        self.seed.saturating_add(self.peer).saturating_add(self.store)
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            seed: self.seed.saturating_add(other.seed),
            peer: self.peer.saturating_add(other.peer),
            store: self.store.saturating_add(other.store),
            given: self.given.saturating_add(other.given),
        }
    }
}

/// One artifact's way to one host, as the host tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// How far it is.
    pub state: ArrivalState,
    /// How its bytes came.
    pub transfer: Transfer,
    /// Over the last seconds.
    pub rates: Rates,
    /// Pieces that came with a wrong hash.
    pub rejected_pieces: u32,
    /// Bytes that must become free before it fits; 0 unless the state is DISK_FULL.
    pub lacking_bytes: u64,
    /// What it waits for most.
    pub hindrance: Option<Hindrance>,
}

/// A region's arrivals of one artifact, folded. Its size does not depend on how many hosts there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// Since this leader first heard of a host that lacks it, in milliseconds.
    pub elapsed_ms: u64,
    /// The artifact's length; 0 until a host knows it.
    pub artifact_bytes: u64,
    /// How many hosts are in each state.
    pub hosts: HostCounts,
    /// The sum over all hosts; `elapsed_ms` is the slowest host's that is complete.
    pub transfer: Transfer,
    /// The sum over all hosts.
    pub rates: Rates,
    /// The sum over all hosts.
    pub rejected_pieces: u64,
    /// How often pieces are held around the manager; absent where it does not seed the artifact.
    pub rarity: Option<Rarity>,
    /// The slowest of the hosts that lack bytes, slowest first; at most [`SLOWEST_MAX`].
    pub slowest: Vec<SlowHost>,
    /// The least time in which it could be done; absent while no rate is known to reckon with.
    pub bound: Option<Bound>,
    /// How long it still takes at the rate of the slowest tenth; absent when that can't be told.
    pub left_ms: Option<u64>,
}

impl Distribution {
    /// Whether no host lacks anything.
    pub const fn is_complete(&self) -> bool {
        self.hosts.complete == self.hosts.all
    }
}

/// How many hosts are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostCounts {
    /// Hosts that want the artifact.
    pub all: u32,
    /// Of those, WAITING.
    pub waiting: u32,
    /// FETCHING.
    pub fetching: u32,
    /// PAUSED.
    pub paused: u32,
    /// ABORTED.
    pub aborted: u32,
    /// DISK_FULL.
    pub disk_full: u32,
    /// FAILED.
    pub failed: u32,
    /// COMPLETE.
    pub complete: u32,
}

impl HostCounts {
    /// Counts one more host.
    pub fn add(&mut self, state: ArrivalState) {
        let count = self.of_mut(state);
        *count = count.saturating_add(1);
        self.all = self.all.saturating_add(1);
    }

    /// How many hosts are in a state.
    pub fn of(mut self, state: ArrivalState) -> u32 {
        *self.of_mut(state)
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for state in ArrivalState::ALL {
            let count = self.of_mut(*state);
            *count = count.saturating_add(other.of(*state));
        }
        self.all = self.all.saturating_add(other.all);
        self
    }

    fn of_mut(&mut self, state: ArrivalState) -> &mut u32 {
        match state {
            ArrivalState::Waiting => &mut self.waiting,
            ArrivalState::Fetching => &mut self.fetching,
            ArrivalState::Paused => &mut self.paused,
            ArrivalState::Aborted => &mut self.aborted,
            ArrivalState::DiskFull => &mut self.disk_full,
            ArrivalState::Failed => &mut self.failed,
            ArrivalState::Complete => &mut self.complete,
        }
    }
}

/// How often pieces are held among the neighbours of the region's manager: a sample, not a census.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rarity {
    /// How many neighbours were looked at, at most [`NEIGHBOURS_SAMPLED_MAX`].
    pub neighbours: u32,
    /// At place `n`, the pieces of which `n` neighbours hold a copy; `neighbours` + 1 places.
    pub pieces: Vec<u32>,
}

/// A host that lacks bytes, and why it is slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowHost {
    /// Which host.
    pub host: HostName,
    /// Where it stands.
    pub zone: ZoneName,
    /// How far it is.
    pub state: ArrivalState,
    /// Verified bytes that it holds.
    pub held_bytes: u64,
    /// Verified bytes a second that came in lately.
    pub taken_bytes_per_s: u64,
    /// Bytes that must become free before the artifact fits; 0 unless the state is DISK_FULL.
    pub lacking_bytes: u64,
    /// What it waits for most, as far as it can tell.
    pub hindrance: Option<Hindrance>,
}

/// The least time in which a distribution could be done, and what was reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// From the first wish to the last verified byte.
    pub least_ms: u64,
    /// What a host is taken to be able to take in, in bytes a second.
    pub down_bytes_per_s: u64,
    /// Whether that is the region's limit; otherwise it is the fastest that was seen of any host.
    pub down_is_limit: bool,
    /// What a host is taken to be able to give, where the region limits it.
    pub up_bytes_per_s: Option<u64>,
}

/// How a distribution stood at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Milliseconds since it began.
    pub at_ms: u64,
    /// Hosts that held every verified byte.
    pub complete_hosts: u32,
    /// Hosts that wanted it.
    pub hosts: u32,
    /// Verified bytes that all hosts held together.
    pub held_bytes: u64,
}

/// How a distribution went: points in the order of time, at most [`CURVE_POINTS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(Vec<CurvePoint>);

impl Curve {
    /// Adds a point; one that is not later than the last takes its place. A full curve gives up every
    /// second of its points first, never the first or the last, so that its shape stays.
    pub fn push(&mut self, point: CurvePoint) {
        while self.0.last().is_some_and(|last| last.at_ms >= point.at_ms) {
            self.0.pop();
        }
        if self.0.len() >= CURVE_POINTS_MAX {
            let last = self.0.len() - 1;
            let mut index = 0;
            self.0.retain(|_| {
                let kept = index % 2 == 0 || index == last;
                index += 1;
                kept
            });
        }
        self.0.push(point);
    }

    /// Its points, in the order of time.
    pub fn points(&self) -> &[CurvePoint] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at_ms: u64) -> CurvePoint {
        CurvePoint {
            at_ms,
            complete_hosts: 0,
            hosts: 1,
            held_bytes: at_ms,
        }
    }

    #[test]
    fn a_curve_keeps_its_ends_and_its_order_however_long_it_grows() {
        let mut curve = Curve::default();
        for at in 0..10_000 {
            curve.push(point(at));
            let points = curve.points();
            assert!(points.len() <= CURVE_POINTS_MAX);
            assert!(points.is_sorted_by(|one, other| one.at_ms < other.at_ms));
            assert_eq!(
                (points.first(), points.last()),
                (Some(&point(0)), Some(&point(at)))
            );
        }
    }

    #[test]
    fn a_point_that_is_not_later_takes_the_place_of_those_it_overtakes() {
        let mut curve = Curve::default();
        for at in [1, 5, 9, 5] {
            curve.push(point(at));
        }
        assert_eq!(curve.points(), [point(1), point(5)]);
    }
}
