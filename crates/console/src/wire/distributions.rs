//! Distributions: artifacts on their way to regions' hosts, and what operators say about them.

use jiff::Timestamp;
use model::control::{Hold, Limits};
use model::distribution::{self, Curve};
use model::{Actor, ArtifactId, RegionName};
use serde::{Deserialize, Serialize};

/// `GET /v1/distributions`: the artifacts that were distributed last, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistributionList {
    /// At most [`DISTRIBUTIONS_MAX`](crate::wire::DISTRIBUTIONS_MAX).
    pub distributions: Vec<Distribution>,
}

/// `GET /v1/distributions/{artifact}`, and the answer to `pause`, `resume`, `abort` and `prefer` below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// Its way in each region that has spoken of it, by region.
    pub regions: Vec<RegionDistribution>,
}

/// One artifact on its way to one region's hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionDistribution {
    /// Which region.
    pub region: RegionName,
    /// How it stood when the region's leader last spoke of it; none before that.
    pub progress: Option<Progress>,
    /// What an operator said that its hosts shall do about it.
    pub hold: Hold,
    /// Above 0 if an operator prefers it there; the largest is preferred most. Among the others the newest
    /// deployment comes first.
    pub preference: i64,
    /// How fast each of the region's hosts may exchange pieces.
    pub limits: Limits,
    /// Whether the region knows what was said.
    pub told: bool,
}

/// How a distribution went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How it stood last.
    pub summary: distribution::Distribution,
    /// How it came there; time counts from `began_at`.
    pub curve: Curve,
    /// When the first host was heard of that lacked it.
    pub began_at: Timestamp,
    /// When the region's leader last spoke of it.
    pub reported_at: Timestamp,
}

/// The body of `POST /v1/distributions/{artifact}/pause` and its like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhichRegion {
    /// Only this region; every one without it.
    pub region: Option<RegionName>,
}

/// `GET /v1/limits`: every region, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionLimitsList {
    /// One entry a region.
    pub regions: Vec<RegionLimits>,
}

/// How fast a region's hosts may exchange pieces. `PUT /v1/regions/{region}/limits` takes [`Limits`] and
/// answers with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionLimits {
    /// Which region.
    pub region: RegionName,
    /// For each of its hosts; a host's own configuration may say less.
    pub limits: Limits,
    /// Whether the region knows them.
    pub told: bool,
    /// Who last changed them, if anybody ever did.
    pub actor: Option<Actor>,
    /// When that was.
    pub limited_at: Option<Timestamp>,
}
