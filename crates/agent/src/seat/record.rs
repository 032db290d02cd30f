//! What must outlive the agent about one service.

use model::service::{HealthCheck, Overlap, TaskLimits};
use model::{ArtifactId, DesiredService, Epoch, ReleaseNumber};
use serde::{Deserialize, Serialize};
use tasks::task::isolation::Isolation;
use tasks::task::{LaunchId, LogFile};

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
    /// The order that was active before, by which a rollback knows the process again that stays warm.
    #[serde(default)]
    pub replaced: Option<DesiredService>,
    /// A process that may have been started: written down before the start, and taken away after it.
    #[serde(default)]
    pub launching: Option<Launch>,
    /// The process that serves, or is to: started, and not seen to end.
    pub task: Option<TaskRecord>,
    /// The other process of a cut-over. Only there as long as `task` is, but for one that is warm.
    #[serde(default)]
    pub beside: Option<Beside>,
}

/// How to treat a process whatever was ordered since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The release that it runs.
    pub release: ReleaseNumber,
    /// The release's bytes, which must stay as long as it runs.
    pub artifact: ArtifactId,
    /// Where it was told to listen.
    pub port: u16,
    /// By which variable it was told.
    #[serde(default = "usual_port_variable")]
    pub port_variable: String,
    /// How it is asked.
    pub health: HealthCheck,
    /// How long it may take to end after SIGTERM.
    pub stop_timeout_seconds: u32,
    /// Whether another one may run beside it.
    #[serde(default)]
    pub overlap: Overlap,
    /// Whether it is a container.
    #[serde(default)]
    pub container: bool,
    /// What keeps it apart.
    #[serde(default)]
    pub isolation: Isolation,
    /// What it may use.
    #[serde(default)]
    pub limits: TaskLimits,
}

/// A process that is about to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// What the process is marked with.
    pub id: LaunchId,
    /// Where its output goes.
    pub log: LogFile,
    /// How to treat it.
    pub terms: Terms,
}

/// How to find a task again, and how to treat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// How to treat it.
    #[serde(flatten)]
    pub terms: Terms,
    /// Its process.
    pub process: tasks::task::Record,
}

/// The process of a cut-over that does not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// The process.
    pub task: TaskRecord,
    /// Whether its time is still to come, or over.
    pub role: Role,
}

/// What the process of a cut-over that does not serve is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It was started ahead of its turn, and never serves before.
    Warm,
    /// It serves as soon as it is healthy.
    Rising,
    /// It is healthy and gets a share of the requests; all of them once that has gone well for long enough.
    Sharing,
    /// It served: it ends what it began, then stays for a while in case it has to serve again.
    Retired,
}

fn usual_port_variable() -> String {
    "PORT".to_owned()
}

impl Record {
    /// Every process that was started and not seen to end.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskRecord> {
        self.task
            .iter()
            .chain(self.beside.iter().map(|beside| &beside.task))
    }
}
