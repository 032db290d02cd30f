//! Moving a log out of the database once its build has ended.

use super::super::Jobs;
use super::append::end_of_log;
use crate::{Error, ROWS_MAX, row};
use model::BuildId;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// Where a log lies in its object of the main store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogArchive {
    /// The object's name.
    pub object: String,
    /// The log's length in bytes, before it was compressed.
    pub total_bytes: u64,
    /// Where each compressed frame ends in the object, in bytes.
    pub frame_ends: Vec<u64>,
}

impl FromRow<'_, PgRow> for LogArchive {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let ends: Vec<i64> = row.try_get("frame_ends")?;
        Ok(Self {
            object: row.try_get("object")?,
            total_bytes: row::size(row, "total_bytes")?,
            frame_ends: ends.into_iter().map(i64::unsigned_abs).collect(),
        })
    }
}

impl Jobs {
    /// Builds that have ended and whose logs are still here, at most `limit`, oldest first.
    pub async fn logs_to_archive(&self, limit: u32) -> Result<Vec<BuildId>, Error> {
        // Steps from one build of `log_chunks` to the next by its key, so that the number of chunks and of
        // builds that ended long ago costs nothing.
        let builds: Vec<uuid::Uuid> = sqlx::query_scalar(
            "WITH RECURSIVE logged (build) AS (
                 (SELECT build FROM log_chunks ORDER BY build LIMIT 1)
                 UNION ALL
                 SELECT (SELECT build FROM log_chunks WHERE build > logged.build ORDER BY build LIMIT 1)
                 FROM logged WHERE logged.build IS NOT NULL
             )
             SELECT logged.build FROM logged JOIN results ON results.build = logged.build LIMIT $1",
        )
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(builds.into_iter().map(BuildId).collect())
    }

    /// Where the log lies, if it has left.
    pub(super) async fn log_archive(&self, build: BuildId) -> Result<Option<LogArchive>, Error> {
        let archive =
            sqlx::query_as("SELECT object, total_bytes, frame_ends FROM log_archives WHERE build = $1")
                .bind(build.0)
                .fetch_optional(&self.pool)
                .await?;
        Ok(archive)
    }

    /// Records that the whole log is in the object store, and removes it from here in the same moment.
    /// `false`, with nothing changed, when that is not the log: the build goes on, or has another length.
    pub async fn archive_log(&self, build: BuildId, archive: &LogArchive) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let ended: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM results WHERE build = $1)")
            .bind(build.0)
            .fetch_one(&mut *transaction)
            .await?;
        let end = end_of_log(&mut transaction, build).await?;
        if !ended || end == 0 || end != row::signed(archive.total_bytes) {
            return Ok(false);
        }
        let ends: Vec<i64> = archive.frame_ends.iter().map(|&end| row::signed(end)).collect();
        let recorded = sqlx::query(
            "INSERT INTO log_archives (build, object, total_bytes, frame_ends) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(build.0)
        .bind(&archive.object)
        .bind(end)
        .bind(ends)
        .execute(&mut *transaction)
        .await?;
        if recorded.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM log_chunks WHERE build = $1")
            .bind(build.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }
}
