//! Build workers, and whether there are enough of them.

use model::{Attempt, BuildId, Phase, RepositoryName, Target, WorkerName};
use serde::{Deserialize, Serialize};

/// `GET /v1/workers`, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerList {
    /// Those that were heard of in the last day.
    pub workers: Vec<Worker>,
    /// Whether they are enough.
    pub demand: Demand,
}

/// A worker, as it last described itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its name.
    pub name: WorkerName,
    /// Its program's version.
    pub version: String,
    /// Its machine's name.
    pub host: String,
    /// How many builds it runs at once at most.
    pub capacity: u32,
    /// The time since its last sign of life.
    pub silent_seconds: f64,
    /// What it holds.
    pub running: Vec<WorkerBuild>,
}

/// A build in a worker's hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerBuild {
    /// Which build.
    pub id: BuildId,
    /// From which repository.
    pub repository: RepositoryName,
    /// Which target.
    pub target: Target,
    /// Which attempt.
    pub attempt: Attempt,
    /// Its present step; none just after the claim.
    pub phase: Option<Phase>,
    /// The time since it was claimed.
    pub running_seconds: f64,
}

/// How much there is to do, and how many there are to do it; also what `starling worker --autoscale-hint` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Builds that wait.
    pub queued: u64,
    /// Those of them that a worker could take now: their repository has room, and they do not rest after a fault.
    pub ready: u64,
    /// How long the oldest of those that are ready has waited; none where none is.
    pub oldest_wait_seconds: Option<f64>,
    /// Builds that run.
    pub running: u64,
    /// Workers that were heard of within the lease window, or two minutes.
    pub workers: u64,
    /// How many builds these can run at once.
    pub slots: u64,
    /// How many could run now, if there were workers enough.
    pub slots_wanted: u64,
}

impl From<database::jobs::Demand> for Demand {
    fn from(demand: database::jobs::Demand) -> Self {
        Self {
            queued: demand.queued,
            ready: demand.ready,
            oldest_wait_seconds: demand.oldest_wait.map(|wait| wait.as_secs_f64()),
            running: demand.running,
            workers: demand.workers,
            slots: demand.slots,
            slots_wanted: demand.slots_wanted(),
        }
    }
}
