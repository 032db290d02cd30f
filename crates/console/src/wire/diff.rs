//! What a deployment would change.

use jiff::Timestamp;
use model::{BuildId, BuildVersion, Commit, RegionName, ReleaseNumber, RepositoryName, ServiceName};
use serde::{Deserialize, Serialize};

/// The most commits that are shown on each side of one difference.
pub const DIFF_COMMITS_MAX: usize = 50;

/// `GET /v1/services/{service}/diff?build=ID` or `?code_version=VERSION`: what would change if the build were deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipDiff {
    /// Which service.
    pub service: ServiceName,
    /// What would run.
    pub build: BuildId,
    /// What its code is called; nothing, where it is older than such names.
    pub version: Option<BuildVersion>,
    /// Made of this commit.
    pub commit: Commit,
    /// Of this repository.
    pub repository: RepositoryName,
    /// One for each region and each release that runs there; a region that runs nothing has one without a release.
    pub regions: Vec<RegionDiff>,
}

/// What would change for the hosts of one region that run the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionDiff {
    /// Which region.
    pub region: RegionName,
    /// What runs there; nothing, where none.
    pub running: Option<RunningRelease>,
    /// Commits that would come, newest first, at most [`DIFF_COMMITS_MAX`].
    pub added: Vec<ShippedCommit>,
    /// Commits that would go, newest first, at most [`DIFF_COMMITS_MAX`]: the build is older, or of another branch.
    pub removed: Vec<ShippedCommit>,
    /// Whether there are more of either than are shown.
    pub more: bool,
    /// Why there are no commits to show, where they could not be compared.
    pub unknown: Option<String>,
    /// What would change in how it runs.
    pub settings: Vec<SettingChange>,
}

/// A release that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningRelease {
    /// Which.
    pub release: ReleaseNumber,
    /// On how many hosts.
    pub hosts: u64,
    /// Made of this commit.
    pub commit: Commit,
}

/// A commit, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippedCommit {
    /// Which.
    pub commit: Commit,
    /// Who wrote it.
    pub author: String,
    /// When it was made.
    pub at: Timestamp,
    /// The first line of its message.
    pub subject: String,
}

/// One setting of the service that the next release has and the running one has not, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// Such as `environment.COLOUR` or `command`.
    pub name: String,
    /// Its value now, as JSON; nothing, where it is new.
    pub before: Option<serde_json::Value>,
    /// Its value then; nothing, where it goes.
    pub after: Option<serde_json::Value>,
}
