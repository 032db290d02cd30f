//! Deployments, region by region and host by host.

use jiff::Timestamp;
use model::instance::Transfer;
use model::{
    Actor, ArtifactId, BuildId, DeploymentId, DeploymentState, HostName, Instance, RegionName, ReleaseNumber,
    ReplicaState, ServiceName, ZoneName,
};
use serde::{Deserialize, Serialize};

/// `POST /v1/deployments`. Refused with 409 unless the build SUCCEEDED and its target is the service's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// What to move.
    pub service: ServiceName,
    /// The build whose artifact it shall run.
    pub build: BuildId,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its identifier.
    pub id: DeploymentId,
    /// What is moved.
    pub service: ServiceName,
    /// The release it moves to.
    pub release: ReleaseNumber,
    /// The build that made the release's bytes.
    pub build: BuildId,
    /// The release's bytes.
    pub artifact: ArtifactId,
    /// Who asked.
    pub actor: Actor,
    /// Where it stands.
    pub state: DeploymentState,
    /// Why it FAILED, or what is being waited for.
    pub reason: Option<String>,
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
    /// One entry a region, by name.
    pub regions: Vec<RegionProgress>,
    /// The first [`INSTANCES_MAX`](crate::wire::INSTANCES_MAX) instances, by region and host.
    pub instances: Vec<HostInstance>,
    /// What happened when, oldest first.
    pub events: Vec<DeploymentEvent>,
}

/// A deployment in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionProgress {
    /// Which region.
    pub region: RegionName,
    /// The artifact's copy in the region's store; none before the build's result is recorded.
    pub replica: Option<ReplicaState>,
    /// Hosts that have a place in the service.
    pub hosts: u64,
    /// Hosts that hold every verified byte of the release.
    pub staged: u64,
    /// Hosts whose process is of the release.
    pub activated: u64,
    /// Hosts whose process of the release answers its health check.
    pub healthy: u64,
    /// Hosts in ERROR or LOST.
    pub errors: u64,
    /// The sum of what the region's hosts received, by source; `elapsed_ms` is the slowest host's.
    pub transfer: Transfer,
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
    /// When that was recorded.
    pub reported_at: Timestamp,
}

/// A moment of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentEvent {
    /// When.
    pub at: Timestamp,
    /// Where; none when it concerns the whole.
    pub region: Option<RegionName>,
    /// What.
    pub kind: DeploymentEventKind,
}

/// What a [`DeploymentEvent`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentEventKind {
    /// Release and outbox were committed.
    Confirmed,
    /// The region's store holds a verified replica.
    Verified,
    /// The region's etcd holds the desired state.
    Published,
    /// The first host holds every byte.
    FirstStaged,
    /// The last host so far holds every byte.
    LastStaged,
    /// The first host is healthy on the release.
    FirstHealthy,
    /// The last host so far is healthy on the release.
    LastHealthy,
    /// The deployment reached its terminal state.
    Finished,
}
