//! What an operator decides.

use model::RegionName;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the controller runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The addresses of each region's etcd, `http://host:port`.
    pub regions: BTreeMap<RegionName, Vec<String>>,
    /// How often everything is looked at without a hint.
    pub period: Duration,
    /// How often releases that have succeeded are looked at; each look counts all their hosts.
    pub watch_period: Duration,
}

impl Config {
    /// The usual times for these regions.
    pub fn new(regions: BTreeMap<RegionName, Vec<String>>) -> Self {
        Self {
            regions,
            period: Duration::from_secs(2),
            watch_period: Duration::from_secs(10),
        }
    }
}
