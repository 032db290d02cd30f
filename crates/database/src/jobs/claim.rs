//! Taking a build from the queue.

use super::{Jobs, repositories::stored_url};
use crate::{Error, Hint, hints, row};
use model::{Attempt, BuildId, Commit, LeaseId, RepositoryName, RepositoryUrl, Revision, Target, WorkerName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// A build that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which build.
    pub build: BuildId,
    /// Goes into every write for this build.
    pub lease: LeaseId,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The repository's name.
    pub repository: RepositoryName,
    /// Where it is fetched from, as registered now.
    pub url: RepositoryUrl,
    /// What the engineer wrote.
    pub revision: Revision,
    /// What to check out.
    pub commit: Commit,
    /// What to build.
    pub target: Target,
    /// How long this attempt may take, from now.
    pub time_left: Duration,
}

impl FromRow<'_, PgRow> for Claim {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let seconds_left: f64 = row.try_get("seconds_left")?;
        Ok(Self {
            build: BuildId(row.try_get("build")?),
            lease: LeaseId(row.try_get("lease")?),
            attempt: Attempt(row.try_get("attempt")?),
            repository: row::word(row, "repository")?,
            url: stored_url(row, "url")?,
            revision: row::word(row, "revision")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
            time_left: Duration::try_from_secs_f64(seconds_left).unwrap_or_default(),
        })
    }
}

/// The oldest waiting build that nobody else is claiming. Claimers step over each other's rows instead
/// of waiting for them, and the lease is minted in the same statement.
const CLAIM: &str = "
    WITH oldest AS (
        SELECT build FROM jobs
        WHERE state = 'QUEUED' AND expires_at > now()
        ORDER BY queued_at, build
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE jobs
        SET state = 'RUNNING', lease = nextval('lease_ids'), attempt = jobs.attempt + 1, worker = $1,
            claimed_at = now(),
            expires_at = now() + make_interval(secs => builds.deadline_seconds)
        FROM oldest JOIN builds ON builds.id = oldest.build
        WHERE jobs.build = oldest.build
        RETURNING jobs.build, jobs.lease, jobs.attempt, jobs.expires_at
    ), recorded AS (
        INSERT INTO attempts (lease, build, attempt, worker)
        SELECT lease, build, attempt, $1 FROM claimed
    )
    SELECT claimed.build, claimed.lease, claimed.attempt, builds.repository, repositories.url,
           builds.revision, builds.commit_id, builds.target,
           extract(epoch FROM claimed.expires_at - clock_timestamp())::float8 AS seconds_left
    FROM claimed
    JOIN builds ON builds.id = claimed.build
    JOIN repositories ON repositories.name = builds.repository";

impl Jobs {
    /// Takes the build that has waited longest; `None` when none waits. From here on the worker's
    /// heartbeats must name the lease.
    pub async fn claim(&self, worker: &WorkerName) -> Result<Option<Claim>, Error> {
        let mut transaction = self.pool.begin().await?;
        let claim: Option<Claim> = sqlx::query_as(CLAIM)
            .bind(worker.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(claim) = &claim {
            hints::send(&mut transaction, Hint::Build(claim.build)).await?;
        }
        transaction.commit().await?;
        Ok(claim)
    }
}
