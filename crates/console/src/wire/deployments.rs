//! Deployments, region by region and host by host.

use super::RegionDistribution;
use jiff::Timestamp;
use model::code::Code;
use model::instance::Transfer;
use model::rollout::Wave;
use model::{
    Actor, ArtifactId, BuildId, BuildVersion, Commit, ConfigurationVersion, Cursor, DeploymentId,
    DeploymentState, HostName, Instance, RegionName, ReleaseNumber, ReplicaState, RepositoryName,
    RolloutPolicy, Selector, ServiceName, Target, WhenBusy, ZoneName,
};
use serde::{Deserialize, Serialize};

/// `POST /v1/deployments`. Refused with 409 unless the build SUCCEEDED and its target is the service's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// What to move.
    pub service: ServiceName,
    /// The build whose artifact it shall run; this or `code_version`.
    #[serde(default)]
    pub build: Option<BuildId>,
    /// Its newest build of this version, such as `release-v1.4.2`, or of this commit.
    #[serde(default)]
    pub code_version: Option<BuildVersion>,
    /// With which version of its configuration; with that of what runs where none is named.
    #[serde(default)]
    pub configuration_version: Option<ConfigurationVersion>,
    /// Which of its instances, by their labels; all without a condition.
    #[serde(default)]
    pub labels: Selector,
    /// How it moves, and when it stops.
    #[serde(default)]
    pub configuration: RolloutPolicy,
    /// What becomes of it while a deployment of the service is in flight: `refuse`, `queue` or `supersede`.
    #[serde(default)]
    pub when_busy: WhenBusy,
    /// Whether no person asked for this very deployment, so that a hold after a rollback forbids it.
    #[serde(default)]
    pub automatic: bool,
    /// Why freezes and missing approvals shall not count this once; it is recorded.
    #[serde(default)]
    pub break_glass: Option<String>,
}

impl NewDeployment {
    /// A build for all instances of a service, moved in the usual way.
    pub fn new(service: ServiceName, code: Code) -> Self {
        let (build, code_version) = match code {
            Code::Build(build) => (Some(build), None),
            Code::Version(version) => (None, Some(version)),
        };
        Self {
            service,
            build,
            code_version,
            configuration_version: None,
            labels: Selector::default(),
            configuration: RolloutPolicy::default(),
            when_busy: WhenBusy::default(),
            automatic: false,
            break_glass: None,
        }
    }
}

/// `POST /v1/deploy/rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// What goes back.
    pub service: ServiceName,
    /// To which release; to the last that succeeded where none is named.
    #[serde(default)]
    pub to: Option<ReleaseNumber>,
    /// Why, for whoever reads of it later.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `POST /v1/deploy/progress`, `pause`, `resume`, `abort` and `lift`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfService {
    /// Whose deployment is meant.
    pub service: ServiceName,
}

/// `GET /v1/deploy/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployStatus {
    /// Every deployment in flight, oldest first.
    pub in_flight: Vec<Deployment>,
    /// Every deployment that waits for another of its service to end, oldest first.
    pub queued: Vec<Deployment>,
    /// Every deployment that has succeeded and whose release is watched still, oldest first.
    pub watched: Vec<Deployment>,
    /// Services that nothing is deployed to automatically.
    pub holds: Vec<DeployHold>,
}

/// A service that nothing is deployed to automatically, since it was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployHold {
    /// Which service.
    pub service: ServiceName,
    /// Why.
    pub reason: String,
    /// By whose rollback.
    pub actor: Actor,
    /// Since when.
    pub since: Timestamp,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its identifier.
    pub id: DeploymentId,
    /// What is moved.
    pub service: ServiceName,
    /// What the service runs.
    pub target: Target,
    /// The release it moves to.
    pub release: ReleaseNumber,
    /// The build that made the release's bytes.
    pub build: BuildId,
    /// What its code is called; nothing, where it is older than such names.
    pub version: Option<String>,
    /// The release's bytes.
    pub artifact: ArtifactId,
    /// Who asked.
    pub actor: Actor,
    /// Where it stands.
    pub state: DeploymentState,
    /// Why it is there.
    pub reason: Option<String>,
    /// Whether it waits for another deployment of the service to end.
    pub queued: bool,
    /// What it waits for, while it is in flight.
    pub waits_for: Option<String>,
    /// Whether it brings back a release that ran before.
    pub rollback: bool,
    /// Of a rollback: the deployment whose release it takes off the hosts.
    pub rollback_of: Option<DeploymentId>,
    /// With which configuration.
    pub configuration_version: Option<ConfigurationVersion>,
    /// For which instances.
    pub labels: Selector,
    /// How it moves.
    pub policy: RolloutPolicy,
    /// Its waves, once the first has begun.
    pub waves: Vec<Wave>,
    /// The wave that it is in, counted from 0.
    pub wave: usize,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// Until when its release is watched, once it has succeeded; in the past once that is over.
    pub watched_until: Option<Timestamp>,
    /// What was seen meanwhile that should not be, where nothing was done about it by itself.
    pub alarm: Option<String>,
    /// When it is given up, should it not have converged.
    pub expires_at: Timestamp,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When it reached its terminal state.
    pub finished_at: Option<Timestamp>,
}

/// `GET /v1/deployments`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentList {
    /// One page.
    pub deployments: Vec<Deployment>,
    /// Give it as `before` to get the next page; none at the end.
    pub next: Option<DeploymentId>,
}

/// `GET /v1/deployments/{id}`, and the data of each `deployment` event of
/// `GET /v1/deployments/{id}/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentDetail {
    /// The deployment.
    pub deployment: Deployment,
    /// What the release's bytes were made from.
    pub source: Option<Source>,
    /// Every state it was in, oldest first; the first is its confirmation.
    pub steps: Vec<DeploymentStep>,
    /// How many hosts failed by its doing and how many may, while it is in flight.
    pub budget: Option<FailureBudget>,
    /// One entry a region, by name.
    pub regions: Vec<RegionProgress>,
    /// The first [`INSTANCES_MAX`](crate::wire::INSTANCES_MAX) instances of the service, by region and
    /// host. After a newer deployment they speak of that one; the regions' counts do not.
    pub instances: Vec<HostInstance>,
}

/// Hosts that failed, and how many may before a deployment stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureBudget {
    /// Those that failed.
    pub failed: u64,
    /// Those that may.
    pub allowed: u64,
}

/// What bytes were made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where the sources came from.
    pub repository: RepositoryName,
    /// Which commit.
    pub commit: Commit,
}

/// A state that a deployment entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStep {
    /// Which state.
    pub state: DeploymentState,
    /// Of WAVE and BAKE: which wave, counted from 0.
    pub wave: usize,
    /// When.
    pub at: Timestamp,
    /// Why, where there is a reason.
    pub reason: Option<String>,
}

/// A deployment in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionProgress {
    /// Which region.
    pub region: RegionName,
    /// The artifact's copy in the region's store.
    pub replica: Option<ReplicaState>,
    /// How many of its hosts have their turn; none once a newer deployment took this one's place.
    pub cursor: Option<Cursor>,
    /// Whether it was told that.
    pub told: bool,
    /// Hosts that the region's leader heard of within a minute; none before it first spoke.
    pub hosts_alive: Option<u32>,
    /// When the region's leader last spoke.
    pub reported_at: Option<Timestamp>,
    /// Hosts that have said anything of the service.
    pub hosts: u64,
    /// Hosts that hold every verified byte of the release.
    pub staged: u64,
    /// Hosts whose process is of the release.
    pub activated: u64,
    /// Hosts on which the release answers its health check.
    pub healthy: u64,
    /// Hosts in ERROR or LOST.
    pub errors: u64,
    /// The sum of what the region's hosts received, by source; `elapsed_ms` is the slowest host's.
    pub transfer: Transfer,
    /// The release's bytes on their way to the region's hosts; none where nobody ever lacked them.
    pub distribution: Option<RegionDistribution>,
    /// When each thing happened there.
    pub moments: RegionMoments,
}

/// A deployment's way through one region. Each moment is absent until it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionMoments {
    /// When the copy of the artifact began; possibly before the deployment.
    pub copying_at: Option<Timestamp>,
    /// When the replica was VERIFIED; possibly before the deployment.
    pub verified_at: Option<Timestamp>,
    /// When the region's etcd was told to stage the release.
    pub stage_told_at: Option<Timestamp>,
    /// When the first host held every byte.
    pub first_staged_at: Option<Timestamp>,
    /// When the last host so far did.
    pub last_staged_at: Option<Timestamp>,
    /// When the region's etcd was told to run the release.
    pub activate_told_at: Option<Timestamp>,
    /// When it was first healthy on a host.
    pub first_healthy_at: Option<Timestamp>,
    /// When it was first healthy on the last host so far.
    pub last_healthy_at: Option<Timestamp>,
}

/// One host's place in the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInstance {
    /// Its region.
    pub region: RegionName,
    /// Its zone.
    pub zone: ZoneName,
    /// Its name.
    pub host: HostName,
    /// What it last said.
    pub instance: Instance,
    /// When the desired release was first whole there.
    pub staged_at: Option<Timestamp>,
    /// When the desired release was first healthy there.
    pub healthy_at: Option<Timestamp>,
    /// When it last said something new.
    pub changed_at: Timestamp,
}
