//! Cancelling a build.

use super::{
    Jobs,
    finish::{Ending, Place, finish},
};
use crate::Error;
use model::{Actor, BuildId, BuildState, LeaseId};

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
        let mut transaction = self.pool.begin().await?;
        let (state, lease): (String, Option<i64>) =
            sqlx::query_as("SELECT state, lease FROM jobs WHERE build = $1 FOR NO KEY UPDATE")
                .bind(build.0)
                .fetch_optional(&mut *transaction)
                .await?
                .ok_or(Error::UnknownBuild(build))?;
        let state: BuildState = state
            .parse()
            .map_err(|reason| sqlx::Error::Decode(Box::new(reason)))?;
        if state.is_terminal() {
            return Ok(Cancelled::Already(state));
        }
        let place = lease.map_or(Place::Queued, |lease| Place::Running(LeaseId(lease)));
        let reason = format!("cancelled by {actor}");
        finish(
            &mut transaction,
            build,
            place,
            Ending::Cancelled { reason: &reason },
        )
        .await?;
        transaction.commit().await?;
        Ok(Cancelled::Now)
    }
}
