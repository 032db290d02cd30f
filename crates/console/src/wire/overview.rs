//! The whole at a glance.

use crate::wire::{Build, Deployment, Service};
use jiff::Timestamp;
use model::RegionName;
use serde::{Deserialize, Serialize};

/// `GET /v1/overview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// How the newest builds stand.
    pub builds: BuildCounts,
    /// The newest builds, a few.
    pub latest_builds: Vec<Build>,
    /// Every service and its newest deployment.
    pub services: Vec<Service>,
    /// The newest deployments, a few.
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
    /// Hosts that its leader had heard of within a minute when it last spoke; none before that.
    pub hosts_alive: Option<u32>,
    /// When its leader last spoke.
    pub reported_at: Option<Timestamp>,
    /// Whether that is too long ago, by the database's clock.
    pub silent: bool,
}
