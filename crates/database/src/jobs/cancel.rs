//! Cancelling builds.

use super::{
    Jobs,
    finish::{Ended, Ending, finish_queued, finish_running},
};
use crate::Error;
use model::{Actor, BuildId, BuildState, LeaseId, RepositoryName};
use sqlx::PgConnection;

/// How often a cancel looks again for a build that is on the move between the queue and a worker.
const TRIES_MAX: u32 = 5;

/// What a request to cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The build is CANCELLED now. A worker that ran it finds its lease lost and kills it.
    Now,
    /// The build had ended before, in this state, and stays there.
    Already(BuildState),
}

impl Jobs {
    /// Cancels a build that waits or runs.
    ///
    /// Fails with [`Error::UnknownBuild`].
    pub async fn cancel(&self, build: BuildId, actor: &Actor) -> Result<Cancelled, Error> {
        let ending = Ending::Cancelled(format!("cancelled by {actor}"));
        for _ in 0..TRIES_MAX {
            let mut transaction = self.pool.begin().await?;
            let ended = end_anywhere(&mut transaction, build, &ending).await?;
            transaction.commit().await?;
            if !ended.builds.is_empty() {
                self.after(&ended).await;
                return Ok(Cancelled::Now);
            }
            let row = self.build(build).await?.ok_or(Error::UnknownBuild(build))?;
            if row.state.is_terminal() {
                return Ok(Cancelled::Already(row.state));
            }
        }
        Err(Error::Busy(build))
    }

    /// Cancels everything that waits, of one repository where it is given, and returns how many builds
    /// that were. What runs goes on.
    pub async fn cancel_queued(
        &self,
        repository: Option<&RepositoryName>,
        actor: &Actor,
    ) -> Result<u64, Error> {
        let ending = Ending::Cancelled(format!("cancelled by {actor}, with everything that waited"));
        let waiting: Vec<uuid::Uuid> =
            sqlx::query_scalar("SELECT build FROM queue WHERE $1::text IS NULL OR repository = $1")
                .bind(repository.map(RepositoryName::as_str))
                .fetch_all(&self.pool)
                .await?;
        let waiting: Vec<_> = waiting.into_iter().map(BuildId).collect();
        let mut connection = self.pool.acquire().await?;
        let ended = finish_queued(&mut connection, &waiting, &ending).await?;
        drop(connection);
        self.after(&ended).await;
        Ok(ended.builds.len() as u64)
    }
}

/// Ends a build wherever it stands. It moves only between the two places, so looking at both, each in a
/// snapshot of its own, misses it only if it came back in between.
async fn end_anywhere(
    connection: &mut PgConnection,
    build: BuildId,
    ending: &Ending,
) -> Result<Ended, Error> {
    let ended = finish_queued(connection, &[build], ending).await?;
    if !ended.builds.is_empty() {
        return Ok(ended);
    }
    let lease: Option<i64> = sqlx::query_scalar("SELECT lease FROM leases WHERE build = $1 FOR UPDATE")
        .bind(build.0)
        .fetch_optional(&mut *connection)
        .await?;
    match lease {
        Some(lease) => finish_running(connection, build, LeaseId(lease), ending.clone()).await,
        None => Ok(ended),
    }
}
