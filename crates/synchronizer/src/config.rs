//! What an operator decides.

use model::RegionName;
use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

/// The stores, and how they are kept alike.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where workers put artifacts.
    pub main: artifact_store::Config,
    /// The regions.
    pub regions: BTreeMap<RegionName, Region>,
    /// The most artifacts that are copied at once. Each may hold [`artifact_store::PARTS_IN_FLIGHT`] parts in memory.
    pub copies_max: NonZeroUsize,
    /// The most that all copies together read in a second, in bytes; no limit where there is none.
    pub copy_bytes_per_second: Option<NonZeroU64>,
    /// How often everything is looked at without a hint; at most a minute.
    pub period: Duration,
    /// How often a replica that is VERIFIED is compared again.
    pub compare_again_after: Duration,
}

/// One region's store.
#[derive(Debug, Clone)]
pub struct Region {
    /// The store.
    pub store: artifact_store::Config,
    /// The regions that this one copies from, if they have what it lacks, rather than from the main store; the nearest
    /// first. Left out, names tell: those that begin alike are near.
    pub near: Option<Vec<RegionName>>,
    /// Who brings artifacts there.
    pub replicated_by: ReplicatedBy,
}

/// Who copies to a region's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicatedBy {
    /// Our replicator.
    Us,
    /// The store itself, as S3's own replication does: it is only watched.
    TheStore,
}

impl Region {
    /// A region that our replicator copies to, by the nearest way that names tell.
    pub fn of(store: artifact_store::Config) -> Self {
        Self {
            store,
            near: None,
            replicated_by: ReplicatedBy::Us,
        }
    }
}

impl Config {
    /// The usual limits for these stores: memory for three copies, a look every ten seconds.
    pub fn new(main: artifact_store::Config, regions: BTreeMap<RegionName, Region>) -> Self {
        Self {
            main,
            regions,
            copies_max: const { NonZeroUsize::new(3).unwrap() },
            copy_bytes_per_second: None,
            period: Duration::from_secs(10),
            compare_again_after: Duration::from_secs(60),
        }
    }
}
