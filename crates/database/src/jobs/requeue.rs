//! Back to the queue: a worker stops, a machine failed, or a worker was lost.

use super::{
    Jobs,
    admit::admit,
    enqueue::LIFETIME_HOURS_MAX,
    finish::{Ended, Ending, finish_running},
};
use crate::{Error, Hint};
use model::{BuildId, LeaseId};
use sqlx::PgConnection;
use std::time::Duration;

/// How often a build is tried before the machine's fault, or the loss of its worker, fails it.
pub const ATTEMPTS_MAX: i32 = 3;
/// The rest after the first fault; it doubles with each.
const REST_MIN: Duration = Duration::from_secs(5);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(300);

/// How long a build rests after its attempt failed for no fault of its own. Up to half as long again is
/// added by chance, so that those whom one fault hit do not come back as one.
fn rest_after(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    (REST_MIN * 2_u32.pow(doublings)).min(REST_MAX)
}

impl Jobs {
    /// Puts the build back to the queue, at its old place, because this worker is about to stop. It
    /// never fails a build; only the build's lifetime bounds how often.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn hand_back(&self, build: BuildId, lease: LeaseId) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        if !requeue(&mut transaction, build, lease, "the worker stopped", None).await? {
            return Err(Error::LeaseLost { build, lease });
        }
        transaction.commit().await?;
        self.announce_requeued(build);
        Ok(())
    }

    /// Says that the attempt failed for no fault of the build's, for `reason`: it rests for a while and is
    /// tried again, or is FAILED after the last attempt.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn retry(&self, build: BuildId, lease: LeaseId, reason: &str) -> Result<(), Error> {
        let mut transaction = self.fenced(build, lease).await?;
        let attempt: i32 = sqlx::query_scalar("SELECT attempt FROM leases WHERE build = $1")
            .bind(build.0)
            .fetch_one(&mut *transaction)
            .await?;
        let ended = if attempt >= ATTEMPTS_MAX {
            let ending = Ending::Failed(format!("attempt {attempt}, the last, failed: {reason}"));
            finish_running(&mut transaction, build, lease, ending).await?
        } else {
            requeue(&mut transaction, build, lease, reason, Some(rest_after(attempt))).await?;
            Ended::default()
        };
        transaction.commit().await?;
        self.after(&ended).await;
        self.announce_requeued(build);
        Ok(())
    }

    pub(super) fn announce_requeued(&self, build: BuildId) {
        self.shared.scan().came_in_ahead();
        self.shared.announcer.announce(Hint::Queued);
        self.shared.announcer.announce(Hint::Build(build));
    }
}

/// Takes a RUNNING build from a lease and lets it wait again, at its old place and with what is left of
/// its lifetime, after a rest where one is given; `false` when the lease does not hold it.
pub(super) async fn requeue(
    connection: &mut PgConnection,
    build: BuildId,
    lease: LeaseId,
    reason: &str,
    rest: Option<Duration>,
) -> Result<bool, Error> {
    let repository: Option<String> = sqlx::query_scalar(
        "WITH taken AS (
             DELETE FROM leases WHERE build = $1 AND lease = $2 RETURNING *
         ), closed AS (
             UPDATE phases SET finished_at = now() FROM taken
             WHERE phases.lease = taken.lease AND phases.finished_at IS NULL
         ), noted AS (
             UPDATE attempts SET ended_at = now(), reason = left($3, 1000) FROM taken
             WHERE attempts.lease = taken.lease
         )
         INSERT INTO queue (build, repository, turn, rank, attempt, ready, rests_until, expires_at)
         SELECT taken.build, taken.repository, taken.turn, taken.rank, taken.attempt, false,
                now() + make_interval(secs => $4) * (1 + random() / 2),
                builds.created_at + make_interval(hours => $5)
         FROM taken JOIN builds ON builds.id = taken.build
         RETURNING repository",
    )
    .bind(build.0)
    .bind(lease.0)
    .bind(reason)
    .bind(rest.map(|rest| rest.as_secs_f64()))
    .bind(LIFETIME_HOURS_MAX)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(repository) = repository else {
        return Ok(false);
    };
    admit(connection, &repository).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_doubles_up_to_its_limit() {
        let seconds: Vec<_> = [0, 1, 2, 3, 7, i32::MAX]
            .map(|attempt| rest_after(attempt).as_secs())
            .into();
        assert_eq!(seconds, [5, 5, 10, 20, 300, 300]);
    }
}
