//! Builds, their phases and their replicas.

use crate::wire::Deployment;
use jiff::Timestamp;
use model::{
    Actor, ArtifactId, Attempt, BuildId, BuildState, BuildVersion, Commit, Phase, Priority, RegionName,
    ReplicaState, RepositoryName, Revision, Target, WorkerName,
};
use serde::{Deserialize, Serialize};

/// Header of `GET /v1/builds/{id}/log`: the offset to ask from next, in bytes of the log.
pub const LOG_NEXT_HEADER: &str = "x-next";
/// Header of `GET /v1/builds/{id}/log`: `true` when no byte will follow `x-next`.
pub const LOG_FINISHED_HEADER: &str = "x-finished";

/// The data of each `log` event of `GET /v1/builds/{id}/log/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogText {
    /// Where it begins, in bytes of the log. The event's id is where it ends.
    pub from: i64,
    /// What was written; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// `GET /v1/builds/{id}/log/search?text=…&place=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSearch {
    /// The lines that hold the text, in order.
    pub matches: Vec<LogMatch>,
    /// Give it as `place` to search on; none once the whole log was searched, as far as it is written.
    pub next: Option<String>,
}

/// A line that holds what was searched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMatch {
    /// Its number, counted from 1. It never changes.
    pub line: u64,
    /// Where it begins, in bytes of the log.
    pub offset: i64,
    /// What it says, without what steers a terminal; of a long line a part.
    pub text: String,
}

/// `POST /v1/builds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBuild {
    /// A registered repository.
    pub repository: RepositoryName,
    /// A branch, tag or commit; resolved before the answer.
    pub revision: Revision,
    /// What to build.
    pub target: Target,
    /// Build again even where the same target and commit is queued, running or built.
    #[serde(default)]
    pub force: bool,
    /// How soon its turn comes.
    #[serde(default)]
    pub priority: Priority,
    /// Cancel what waits of the same repository, revision and target for an older commit.
    #[serde(default)]
    pub supersede: bool,
}

/// `POST /v1/builds/cancel`: cancel everything that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelQueued {
    /// Of this repository alone.
    #[serde(default)]
    pub repository: Option<RepositoryName>,
}

/// The answer to [`CancelQueued`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelledQueued {
    /// How many builds waited and are CANCELLED now.
    pub cancelled: u64,
}

/// The answer to [`NewBuild`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enqueued {
    /// The build, new or the one that was there.
    pub build: Build,
    /// Whether this request made it. False: the same target and commit was asked for before.
    pub fresh: bool,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its identifier.
    pub id: BuildId,
    /// Where the sources come from.
    pub repository: RepositoryName,
    /// What the engineer wrote.
    pub revision: Revision,
    /// What it was resolved to.
    pub commit: Commit,
    /// What is built.
    pub target: Target,
    /// What it is called, such as `release-v1.4.2`; nothing, where it is older than such names.
    #[serde(default)]
    pub version: Option<BuildVersion>,
    /// Who asked.
    pub actor: Actor,
    /// How soon its turn comes.
    pub priority: Priority,
    /// Where it stands.
    pub state: BuildState,
    /// Why it is FAILED or CANCELLED.
    pub reason: Option<String>,
    /// The claims so far; none while it waits for the first worker.
    pub attempt: Option<Attempt>,
    /// Who builds it, or built it last.
    pub worker: Option<WorkerName>,
    /// The step of the running attempt.
    pub phase: Option<Phase>,
    /// How far that step is, where it can be counted.
    pub progress: Option<BuildProgress>,
    /// The result, once SUCCEEDED; none for a test.
    pub artifact: Option<ArtifactId>,
    /// The artifact's length in bytes, once SUCCEEDED.
    pub total_bytes: Option<u64>,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// When the newest attempt was claimed.
    pub started_at: Option<Timestamp>,
    /// When it reached its terminal state.
    pub finished_at: Option<Timestamp>,
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildProgress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 while unknown.
    pub total: u64,
}

/// `GET /v1/builds`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildList {
    /// One page.
    pub builds: Vec<Build>,
    /// Give it as `before` to get the next page; none at the end.
    pub next: Option<BuildId>,
}

/// `GET /v1/builds/{id}`, and the data of each `build` event of `GET /v1/builds/{id}/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildDetail {
    /// The build.
    pub build: Build,
    /// Every phase of every attempt, in order.
    pub phases: Vec<BuildPhase>,
    /// Every attempt, in order.
    pub attempts: Vec<BuildAttempt>,
    /// How long the steps usually take; nothing before the target's first success.
    pub usual: Vec<UsualTime>,
    /// What it waits for, while it is QUEUED.
    pub waiting: Option<BuildWait>,
    /// The artifact's copies, one a region, once SUCCEEDED.
    pub replicas: Vec<Replica>,
    /// Where it was deployed, newest first, among the last deployments.
    pub deployments: Vec<Deployment>,
    /// The build whose result this is, where its inputs were the same and nothing was run.
    #[serde(default)]
    pub reused_from: Option<BuildId>,
    /// Why it cannot be deployed now, in words; none when it can.
    pub deploy_refusal: Option<String>,
}

impl BuildDetail {
    /// The machine of the newest attempt.
    pub fn host(&self) -> Option<&str> {
        self.attempts.last()?.host.as_deref()
    }

    /// The attempt before the newest one, whose end is why there is a newest one; the last one where the
    /// build waits again.
    pub fn retried(&self) -> Option<&BuildAttempt> {
        match self.build.state {
            BuildState::Queued => self.attempts.last(),
            _ => self.attempts.iter().rev().nth(1),
        }
    }

    /// What a step usually takes.
    pub fn usual_of(&self, phase: Phase) -> Option<&UsualTime> {
        self.usual.iter().find(|usual| usual.phase == Some(phase))
    }
}

/// One claim of the build by one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildAttempt {
    /// Counted from 1.
    pub attempt: Attempt,
    /// Who worked on it.
    pub worker: WorkerName,
    /// The worker's machine; none where it was never heard of.
    pub host: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it goes on.
    pub finished_at: Option<Timestamp>,
    /// Why the build went back to the queue, or did not succeed.
    pub reason: Option<String>,
}

/// The median of a step among the last builds of the same target that SUCCEEDED before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsualTime {
    /// Which step; the wait for the first worker where it is absent.
    pub phase: Option<Phase>,
    /// How long, in milliseconds.
    pub duration_ms: i64,
    /// Of how many builds.
    pub builds: u32,
}

/// What a build in the queue waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildWait {
    /// Until when it rests after a fault.
    pub rests_until: Option<Timestamp>,
    /// The builds that come before it, at most a thousand.
    pub ahead: u32,
    /// The builds of its repository that run.
    pub running: u32,
    /// The most that may; no limit where it is absent.
    pub running_max: Option<u32>,
    /// The workers that take builds now.
    pub workers: u32,
    /// The same for a person.
    pub words: String,
}

/// One step of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildPhase {
    /// Which attempt, counted from 1.
    pub attempt: Attempt,
    /// Who did it.
    pub worker: WorkerName,
    /// Which step.
    pub phase: Phase,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it goes on.
    pub finished_at: Option<Timestamp>,
}

/// An artifact's copy in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Where.
    pub region: RegionName,
    /// How far.
    pub state: ReplicaState,
    /// Bytes copied by the replicator so far.
    pub copied_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// How often a copy has failed since the last success.
    pub failures: u32,
    /// Why the last try failed.
    pub reason: Option<String>,
    /// When the first byte was copied.
    pub started_at: Option<Timestamp>,
    /// When size and checksum were compared there.
    pub verified_at: Option<Timestamp>,
}
