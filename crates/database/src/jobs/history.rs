//! Builds that have ended: what they may have left in the main store, and forgetting those that made nothing that
//! stands.
//!
//! A build that made an artifact is known for as long as the artifact is: what is deployed, or may be rolled back to, can
//! always be traced to its build and its log. Retention decides about artifacts, and the rest follows.

use super::Jobs;
use crate::{Error, ROWS_MAX, row};
use model::{ArtifactId, BuildId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::time::Duration;

/// A build that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedBuild {
    /// Which build.
    pub build: BuildId,
    /// What its attempts set out to publish or to take over, whatever became of it.
    pub artifacts: Vec<ArtifactId>,
}

impl FromRow<'_, PgRow> for EndedBuild {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let artifacts: Vec<String> = row.try_get("artifacts")?;
        Ok(Self {
            build: BuildId(row.try_get("id")?),
            // What is no artifact's id was never written there.
            artifacts: artifacts.iter().filter_map(|id| id.parse().ok()).collect(),
        })
    }
}

impl Jobs {
    /// The next builds that may have left something in the main store: behind those that were
    /// [cleared](Self::leftovers_cleared), in the order in which they were asked for, up to the first that has not ended,
    /// or not longer than `age` ago.
    pub async fn leftovers(&self, age: Duration, limit: u32) -> Result<Vec<EndedBuild>, Error> {
        let rows = sqlx::query(
            "SELECT builds.id, coalesce(results.finished_at < now() - make_interval(secs => $1), false) AS is_old,
                    ARRAY(SELECT DISTINCT artifact FROM artifact_attempts WHERE build = builds.id) AS artifacts
             FROM builds LEFT JOIN results ON results.build = builds.id
             WHERE builds.id > coalesce((SELECT build FROM leftovers_cleared), '00000000-0000-0000-0000-000000000000')
             ORDER BY builds.id LIMIT $2",
        )
        .bind(age.as_secs_f64())
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut ended = Vec::new();
        for row in rows {
            if !row.try_get("is_old")? {
                break;
            }
            ended.push(EndedBuild::from_row(&row)?);
        }
        Ok(ended)
    }

    /// Records that nothing is left of a build, and of those before it. Doing it twice, or late, changes nothing.
    pub async fn leftovers_cleared(&self, build: BuildId) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO leftovers_cleared (build) VALUES ($1)
             ON CONFLICT (only_row) DO UPDATE SET build = greatest(leftovers_cleared.build, excluded.build)",
        )
        .bind(build.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Builds that ended longer than `age` ago and made nothing that stands: they failed, were cancelled, were tests, or
    /// their artifacts were collected. Oldest first; none whose log has not left the database.
    pub async fn forgettable(&self, age: Duration, limit: u32) -> Result<Vec<EndedBuild>, Error> {
        let ended = sqlx::query_as(
            "SELECT builds.id,
                    ARRAY(SELECT DISTINCT artifact FROM artifact_attempts WHERE build = builds.id) AS artifacts
             FROM builds
             JOIN results ON results.build = builds.id
             LEFT JOIN forgotten_builds ON forgotten_builds.build = builds.id
             WHERE results.finished_at < now() - make_interval(secs => $1)
               AND (results.artifact IS NULL OR forgotten_builds.build IS NOT NULL)
               AND NOT EXISTS (SELECT FROM log_chunks WHERE log_chunks.build = builds.id)
             ORDER BY builds.id LIMIT $2",
        )
        .bind(age.as_secs_f64())
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(ended)
    }

    /// Forgets a build whose objects are gone from the store. `false`, with nothing changed, where it has not ended, or
    /// made something that stands.
    pub async fn forget_build(&self, build: BuildId) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let ended = sqlx::query(
            "DELETE FROM results WHERE build = $1
             AND (artifact IS NULL OR EXISTS (SELECT FROM forgotten_builds WHERE forgotten_builds.build = $1))",
        )
        .bind(build.0)
        .execute(&mut *transaction)
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        forget_rows(&mut transaction, build).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Everything that is known of a build beside its result.
async fn forget_rows(connection: &mut PgConnection, build: BuildId) -> Result<(), Error> {
    for statement in [
        "DELETE FROM phases USING attempts WHERE attempts.build = $1 AND phases.lease = attempts.lease",
        "DELETE FROM attempts WHERE build = $1",
        "DELETE FROM artifact_attempts WHERE build = $1",
        "DELETE FROM build_inputs WHERE build = $1",
        "DELETE FROM log_chunks WHERE build = $1",
        "DELETE FROM log_gaps WHERE build = $1",
        "DELETE FROM log_archives WHERE build = $1",
        "DELETE FROM identities WHERE build = $1",
        "DELETE FROM forgotten_builds WHERE build = $1",
        "DELETE FROM builds WHERE id = $1",
    ] {
        sqlx::query(statement)
            .bind(build.0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
