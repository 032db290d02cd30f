//! The whole at a glance.

use crate::wire::{Build, Deployment};
use model::RegionName;
use serde::{Deserialize, Serialize};

/// `GET /v1/overview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// How the newest builds stand.
    pub builds: BuildCounts,
    /// The newest builds.
    pub latest_builds: Vec<Build>,
    /// The newest deployments.
    pub latest_deployments: Vec<Deployment>,
    /// Every region.
    pub regions: Vec<RegionSummary>,
}

/// Counts over the newest 200 builds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildCounts {
    /// Waiting for a worker.
    pub queued: u32,
    /// Held by a worker.
    pub running: u32,
    /// With a published artifact.
    pub succeeded: u32,
    /// Without one.
    pub failed: u32,
    /// Cancelled by somebody.
    pub cancelled: u32,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionSummary {
    /// Its name.
    pub name: RegionName,
}
