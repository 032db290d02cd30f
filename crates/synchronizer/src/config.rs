//! What an operator decides.

use model::RegionName;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The stores, and how they are kept alike.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where workers put artifacts.
    pub main: artifact_store::Config,
    /// Each region's store.
    pub regions: BTreeMap<RegionName, artifact_store::Config>,
    /// The most copies at once. Each may hold [`artifact_store::PARTS_IN_FLIGHT`] parts in memory.
    pub copies_max: NonZeroUsize,
    /// How often everything is looked at without a hint; at most a minute.
    pub period: Duration,
    /// How often a replica that is VERIFIED is compared again.
    pub compare_again_after: Duration,
}

impl Config {
    /// The usual limits for these stores: memory for three copies, a look every ten seconds.
    pub fn new(main: artifact_store::Config, regions: BTreeMap<RegionName, artifact_store::Config>) -> Self {
        Self {
            main,
            regions,
            copies_max: const { NonZeroUsize::new(3).unwrap() },
            period: Duration::from_secs(10),
            compare_again_after: Duration::from_secs(60),
        }
    }
}
