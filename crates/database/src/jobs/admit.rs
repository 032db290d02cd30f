//! Which waiting builds may be claimed: those whose repository has room, and who do not rest.
//!
//! A build that may not be claimed is not `ready`, so that claims neither see nor count it. Whoever
//! makes room lets the next in; the reaper does so again now and then, for those who died in between.

use super::Jobs;
use crate::{Error, Hint};
use model::RepositoryName;
use sqlx::PgConnection;

impl Jobs {
    /// Limits how many builds of a repository run at once; `None` lifts the limit. What runs goes on.
    ///
    /// Fails with [`Error::UnknownRepository`].
    pub async fn limit_repository(
        &self,
        name: &RepositoryName,
        running_max: Option<u32>,
    ) -> Result<(), Error> {
        let running_max = running_max.map(|max| i32::try_from(max.max(1)).unwrap_or(i32::MAX));
        let mut transaction = self.pool.begin().await?;
        let limited = sqlx::query("UPDATE repositories SET running_max = $2 WHERE name = $1")
            .bind(name.as_str())
            .bind(running_max)
            .execute(&mut *transaction)
            .await?;
        if limited.rows_affected() == 0 {
            return Err(Error::UnknownRepository(name.clone()));
        }
        sqlx::query("UPDATE queue SET ready = false WHERE repository = $1 AND ready")
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        admit(&mut transaction, name.as_str()).await?;
        transaction.commit().await?;
        self.shared.scan().came_in_ahead();
        self.shared.announcer.announce(Hint::Queued);
        Ok(())
    }

    /// Lets in what a repository has room for.
    pub(super) async fn admit(&self, repository: &str) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let admitted = admit(&mut transaction, repository).await?;
        transaction.commit().await?;
        if admitted > 0 {
            self.shared.scan().came_in_ahead();
            self.shared.announcer.announce(Hint::Queued);
        }
        Ok(())
    }

    /// Wakes what has rested for long enough, and lets in what there is room for.
    pub(super) async fn admit_everywhere(&self) -> Result<(), Error> {
        sqlx::query("UPDATE queue SET rests_until = NULL WHERE rests_until <= now()")
            .execute(&self.pool)
            .await?;
        let waiting: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT repository FROM queue WHERE NOT ready AND rests_until IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        for repository in waiting {
            self.admit(&repository).await?;
        }
        Ok(())
    }
}

/// Lets in what a repository has room for, by its row's lock one after the other; how many that were.
pub(super) async fn admit(connection: &mut PgConnection, repository: &str) -> Result<u64, Error> {
    let running_max: Option<Option<i32>> =
        sqlx::query_scalar("SELECT running_max FROM repositories WHERE name = $1 FOR NO KEY UPDATE")
            .bind(repository)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(running_max) = running_max else {
        return Ok(0);
    };
    let admitted = sqlx::query(
        "UPDATE queue SET ready = true
         WHERE build IN (
             SELECT build FROM queue
             WHERE repository = $1 AND NOT ready AND rests_until IS NULL
             ORDER BY rank, build
             LIMIT greatest(0, $2 - (SELECT count(*) FROM leases WHERE repository = $1)
                                  - (SELECT count(*) FROM queue WHERE repository = $1 AND ready)))",
    )
    .bind(repository)
    .bind(running_max.map_or(i64::from(i32::MAX), i64::from))
    .execute(connection)
    .await?;
    Ok(admitted.rows_affected())
}
