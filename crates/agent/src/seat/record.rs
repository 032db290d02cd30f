//! What must outlive the agent about one service.

use model::service::HealthCheck;
use model::{ArtifactId, DesiredService, Epoch, ReleaseNumber};
use serde::{Deserialize, Serialize};

/// What this host was told about one service, and what it did about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The newest epoch that was seen. Stays when the service is no longer ordered.
    pub epoch: Epoch,
    /// The newest order; `None` once the service is no longer ordered.
    pub desired: Option<DesiredService>,
    /// The order that should be running: the newest with ACTIVATE whose bytes are all here.
    pub active: Option<DesiredService>,
    /// The bytes that were active before, kept for a rollback.
    pub previous: Option<ArtifactId>,
    /// The port that the service's tasks are given, one after the other.
    pub port: Option<u16>,
    /// The process that was started last and has not been seen to end.
    pub task: Option<TaskRecord>,
}

/// How to find a task again, and how to treat it whatever was ordered since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The release that it runs.
    pub release: ReleaseNumber,
    /// The release's bytes, which must stay as long as it runs.
    pub artifact: ArtifactId,
    /// Where it was told to listen.
    pub port: u16,
    /// How it is asked.
    pub health: HealthCheck,
    /// How long it may take to end after SIGTERM.
    pub stop_timeout_seconds: u32,
    /// Its process.
    pub process: tasks::task::Record,
}
