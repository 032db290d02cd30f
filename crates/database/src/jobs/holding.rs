//! What whoever publishes for a worker knows of the attempt: the fence, and what the provenance says.

use super::Jobs;
use super::repositories::stored_url;
use crate::{Error, row};
use jiff::Timestamp;
use model::{Attempt, BuildId, Commit, LeaseId, RepositoryName, RepositoryUrl, Revision, Target, WorkerName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// An attempt that holds its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Which build.
    pub build: BuildId,
    /// The lease.
    pub lease: LeaseId,
    /// Which attempt.
    pub attempt: Attempt,
    /// Who holds it.
    pub worker: WorkerName,
    /// The worker's machine and its program's version, as it said them last.
    pub host: Option<String>,
    /// See `host`.
    pub worker_version: Option<String>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// The repository's name.
    pub repository: RepositoryName,
    /// Where it is fetched from, as registered now.
    pub url: RepositoryUrl,
    /// What the engineer wrote.
    pub revision: Revision,
    /// What is built.
    pub commit: Commit,
    /// Which target.
    pub target: Target,
}

impl FromRow<'_, PgRow> for Holding {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            build: BuildId(row.try_get("build")?),
            lease: LeaseId(row.try_get("lease")?),
            attempt: Attempt(row.try_get("attempt")?),
            worker: row::word(row, "worker")?,
            host: row.try_get("host")?,
            worker_version: row.try_get("version")?,
            claimed_at: row::time(row, "claimed_at")?,
            repository: row::word(row, "repository")?,
            url: stored_url(row, "url")?,
            revision: row::word(row, "revision")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
        })
    }
}

impl Jobs {
    /// The attempt at a build that holds this lease now.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn holding(&self, build: BuildId, lease: LeaseId) -> Result<Holding, Error> {
        let held = sqlx::query_as(
            "SELECT leases.build, leases.lease, leases.attempt, leases.worker, leases.claimed_at,
                    workers.host, workers.version,
                    builds.repository, builds.revision, builds.commit_id, builds.target, repositories.url
             FROM leases
             JOIN builds ON builds.id = leases.build
             JOIN repositories ON repositories.name = builds.repository
             LEFT JOIN workers ON workers.name = leases.worker
             WHERE leases.build = $1 AND leases.lease = $2",
        )
        .bind(build.0)
        .bind(lease.0)
        .fetch_optional(&self.pool)
        .await?;
        held.ok_or(Error::LeaseLost { build, lease })
    }
}
