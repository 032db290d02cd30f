//! Reading builds.

use super::Jobs;
use crate::{Error, PAGE_ROWS_MAX, row};
use jiff::Timestamp;
use model::{
    Actor, ArtifactId, Attempt, BuildId, BuildState, BuildVersion, Commit, LeaseId, Phase, Priority,
    RepositoryName, Revision, Target, WorkerName,
};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// How far the present phase has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all; 0 while that is not known.
    pub total_bytes: u64,
}

/// A build as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// Which build.
    pub id: BuildId,
    /// From which repository.
    pub repository: RepositoryName,
    /// What the engineer wrote.
    pub revision: Revision,
    /// What it resolved to.
    pub commit: Commit,
    /// What is built.
    pub target: Target,
    /// What it is called; nothing, where it is older than such names.
    pub version: Option<BuildVersion>,
    /// Who asked.
    pub actor: Actor,
    /// Whether it was asked for although the same had been built.
    pub forced: bool,
    /// How soon its turn comes.
    pub priority: Priority,
    /// Where it stands.
    pub state: BuildState,
    /// How often it was claimed; 0 before the first.
    pub attempt: Attempt,
    /// The newest claim's lease.
    pub lease: Option<LeaseId>,
    /// Who made the newest claim.
    pub worker: Option<WorkerName>,
    /// The newest attempt's last phase.
    pub phase: Option<Phase>,
    /// How far that phase has come, once there was an attempt.
    pub progress: Option<Progress>,
    /// What it made, once SUCCEEDED.
    pub artifact: Option<ArtifactId>,
    /// The artifact's length, once SUCCEEDED.
    pub total_bytes: Option<u64>,
    /// Why it is FAILED or CANCELLED.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the newest claim was made.
    pub claimed_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its present state has lasted too long; absent once it has ended.
    pub expires_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for BuildRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let lease: Option<i64> = row.try_get("lease")?;
        let progress = match lease {
            Some(_) => Some(Progress {
                done_bytes: row::size(row, "done_bytes")?,
                total_bytes: row::size(row, "phase_bytes")?,
            }),
            None => None,
        };
        Ok(Self {
            id: BuildId(row.try_get("id")?),
            repository: row::word(row, "repository")?,
            revision: row::word(row, "revision")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
            version: row::word_option(row, "version")?,
            actor: row::word(row, "actor")?,
            forced: row.try_get("forced")?,
            priority: row::word(row, "priority")?,
            state: row::word(row, "state")?,
            attempt: Attempt(row.try_get("attempt")?),
            lease: lease.map(LeaseId),
            worker: row::word_option(row, "worker")?,
            phase: row::word_option(row, "phase")?,
            progress,
            artifact: row::word_option(row, "artifact")?,
            total_bytes: row::size_option(row, "total_bytes")?,
            reason: row.try_get("reason")?,
            created_at: row::time(row, "created_at")?,
            claimed_at: row::time_option(row, "claimed_at")?,
            finished_at: row::time_option(row, "finished_at")?,
            expires_at: row::time_option(row, "expires_at")?,
        })
    }
}

/// The query for [`BuildRow`]s, with the given end.
macro_rules! build_rows {
    ($end:literal) => {
        concat!(
            "SELECT builds.id, builds.repository, builds.revision, builds.commit_id, builds.target, builds.version,
                    builds.actor, builds.forced, builds.priority, builds.created_at,
                    coalesce(results.state, CASE WHEN leases.lease IS NULL THEN 'QUEUED' ELSE 'RUNNING' END)
                        AS state,
                    coalesce(newest.attempt, 0) AS attempt,
                    coalesce(leases.expires_at, queue.expires_at) AS expires_at,
                    newest.lease, newest.worker, newest.phase, newest.done_bytes,
                    newest.total_bytes AS phase_bytes, newest.claimed_at,
                    results.artifact, results.total_bytes, results.reason, results.finished_at
             FROM builds
             LEFT JOIN queue ON queue.build = builds.id
             LEFT JOIN leases ON leases.build = builds.id
             LEFT JOIN results ON results.build = builds.id
             LEFT JOIN LATERAL (SELECT * FROM attempts WHERE attempts.build = builds.id
                                ORDER BY attempts.lease DESC LIMIT 1) AS newest ON true ",
            $end
        )
    };
}
pub(super) use build_rows;

impl Jobs {
    /// One build.
    pub async fn build(&self, id: BuildId) -> Result<Option<BuildRow>, Error> {
        let build = sqlx::query_as(build_rows!("WHERE builds.id = $1"))
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(build)
    }

    /// The builds of a target that made an artifact and are called so, or whose commit begins so; newest first, at most
    /// [`PAGE_ROWS_MAX`].
    pub async fn builds_called(
        &self,
        target: &Target,
        version: &BuildVersion,
    ) -> Result<Vec<BuildRow>, Error> {
        // The index is by repository, and there are few.
        let builds = sqlx::query_as(build_rows!(
            "WHERE builds.repository IN (SELECT name FROM repositories) AND builds.target = $1
               AND (builds.version = $2 OR starts_with(builds.commit_id, $3))
               AND results.state = 'SUCCEEDED' AND results.artifact IS NOT NULL
             ORDER BY builds.id DESC LIMIT $4"
        ))
        .bind(target.as_str())
        .bind(version.as_str())
        .bind(version.as_commit())
        .bind(i64::from(PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(builds)
    }

    /// Builds, newest first, at most [`PAGE_ROWS_MAX`]; those older than `before` where it is given.
    pub async fn list_builds(&self, limit: u32, before: Option<BuildId>) -> Result<Vec<BuildRow>, Error> {
        let builds = sqlx::query_as(build_rows!(
            "WHERE $1::uuid IS NULL OR builds.id < $1 ORDER BY builds.id DESC LIMIT $2"
        ))
        .bind(before.map(|build| build.0))
        .bind(row::limit(limit, PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(builds)
    }
}
