//! What travels over `/v1`: every request and answer, in one place, used by the server and by the
//! command line alike, so that the two cannot drift apart.
//!
//! All times are RFC 3339 in UTC, all lengths are bytes, every identifier is its text form.

mod artifacts;
mod builds;
mod collection;
mod deployments;
mod diff;
mod distributions;
mod inventory;
mod nodes;
mod overview;
mod policies;
mod regions;
mod repositories;
mod services;
mod task_logs;
mod workers;

pub use artifacts::ArtifactProvenance;
pub use builds::{
    Build, BuildAttempt, BuildDetail, BuildList, BuildPhase, BuildProgress, BuildWait, CancelQueued,
    CancelledQueued, Enqueued, LOG_FINISHED_HEADER, LOG_NEXT_HEADER, LogMatch, LogSearch, LogText, NewBuild,
    Replica, UsualTime,
};
pub use collection::{Collection, CollectionEntry};
pub use deployments::{
    DeployHold, DeployStatus, Deployment, DeploymentDetail, DeploymentList, DeploymentStep, FailureBudget,
    HostInstance, NewDeployment, OfService, RegionMoments, RegionProgress, RollBack, Source,
};
pub use diff::{DIFF_COMMITS_MAX, RegionDiff, RunningRelease, SettingChange, ShipDiff, ShippedCommit};
pub use distributions::{
    Distribution, DistributionList, Progress, RegionDistribution, RegionLimits, RegionLimitsList, WhichRegion,
};
pub use inventory::{
    Heartbeat, HeartbeatAccepted, Instance, InstanceList, InstanceRegistered, InstanceService,
    InstanceStatus, NewInstance, RETIREMENT_REASON_LENGTH_MAX, Retirement,
};
pub use model::refusal::{ErrorBody, ErrorDetail};
pub use nodes::{
    JOIN_TOKEN_SECONDS, JOIN_TOKEN_SECONDS_DEFAULT, JoinToken, JoinTokenCreated, JoinTokenList, NewJoinToken,
    Node, NodeList, REVOCATION_REASON_LENGTH_MAX, Revocation,
};
pub use overview::{BuildCounts, Overview, RegionSummary};
pub use policies::{AuditEntry, AuditList, AuditVerified, PolicyInForce, PolicyList};
pub use regions::{Region, RegionList, ReplicationTimes, ReportAccepted};
pub use repositories::{NewRepository, Repository, RepositoryLimit, RepositoryList};
pub use services::{ConfigurationList, ConfigurationVersionRow, Service, ServiceList};
pub use task_logs::TaskLog;
pub use workers::{Demand, Worker, WorkerBuild, WorkerList};

/// The largest page that a list answers with, and the size when none is asked for.
pub const LIST_LIMIT_MAX: u32 = 200;
/// The page size of a list when none is asked for.
pub const LIST_LIMIT_DEFAULT: u32 = 50;
/// The most artifacts in one [`DistributionList`].
pub const DISTRIBUTIONS_MAX: u32 = 50;
/// The most instances in one [`DeploymentDetail`].
pub const INSTANCES_MAX: u32 = 1_000;
