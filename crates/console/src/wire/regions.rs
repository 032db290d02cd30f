//! Regions, and what a region's replication manager hears back.

use super::RegionSummary;
use serde::{Deserialize, Serialize};

/// The answer to `GET /v1/regions`, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionList {
    /// All of them.
    pub regions: Vec<Region>,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its name and how it is.
    #[serde(flatten)]
    pub summary: RegionSummary,
    /// How long artifacts took to its store in the last 24 hours; none where none came.
    pub replication: Option<ReplicationTimes>,
}

/// From when a copy was asked for until it was VERIFIED.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReplicationTimes {
    /// How many copies are counted.
    pub replicas: u64,
    /// Half took no longer, in seconds.
    pub p50_seconds: f64,
    /// Nine of ten took no longer.
    pub p90_seconds: f64,
    /// 99 of 100 took no longer.
    pub p99_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
    /// What each should take at the most.
    pub promise_seconds: f64,
    /// The part that took no longer than that, 0 to 1.
    pub within_promise: f64,
}

/// The answer to `POST /v1/regions/{region}/report`, whose body is a
/// [`RegionReport`](model::region_report::RegionReport).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAccepted {
    /// How many instances the report held.
    pub instances: u32,
}
