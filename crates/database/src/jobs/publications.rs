//! Following published results in the order in which they were committed.

use super::Jobs;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::{ArtifactId, BuildId, Commit, RepositoryName, Target};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// Held by whoever numbers results, so that a number is never smaller than one that somebody has seen.
const PUBLICATION_LOCK: i64 = 0x7075_626c_6973_6831;

/// A published result, for whoever follows them in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SucceededBuild {
    /// Grows with each; ask for those after it next.
    pub cursor: i64,
    /// Which build.
    pub build: BuildId,
    /// From which repository.
    pub repository: RepositoryName,
    /// Which commit.
    pub commit: Commit,
    /// Which target.
    pub target: Target,
    /// What it made.
    pub artifact: ArtifactId,
    /// The artifact's length.
    pub total_bytes: u64,
    /// When it ended.
    pub finished_at: Timestamp,
}

impl FromRow<'_, PgRow> for SucceededBuild {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            cursor: row.try_get("publication")?,
            build: BuildId(row.try_get("id")?),
            repository: row::word(row, "repository")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
            artifact: row::word(row, "artifact")?,
            total_bytes: row::size(row, "total_bytes")?,
            finished_at: row::time(row, "finished_at")?,
        })
    }
}

impl Jobs {
    /// Published results after `cursor`, in the order in which they were committed; 0 for the first.
    /// None is ever missed by asking again from the last cursor seen.
    pub async fn succeeded_since(&self, cursor: i64, limit: u32) -> Result<Vec<SucceededBuild>, Error> {
        self.number_results().await?;
        let succeeded = sqlx::query_as(
            "SELECT results.publication, builds.id, builds.repository, builds.commit_id, builds.target,
                    results.artifact, results.total_bytes, results.finished_at
             FROM results JOIN builds ON builds.id = results.build
             WHERE results.publication > $1 ORDER BY results.publication LIMIT $2",
        )
        .bind(cursor)
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(succeeded)
    }

    /// Numbers the results that were committed since the last time. The one who completes a build does not,
    /// because numbers in the order of commits can only be given one commit after the other.
    async fn number_results(&self) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(PUBLICATION_LOCK)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE results SET publication = nextval('publications')
             FROM (SELECT build FROM results WHERE artifact IS NOT NULL AND publication IS NULL
                   ORDER BY finished_at LIMIT $1) AS fresh
             WHERE results.build = fresh.build",
        )
        .bind(i64::from(ROWS_MAX))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
