//! Leaving RUNNING: success, failure, or back to the queue.

use super::{Jobs, enqueue::LIFETIME_HOURS_MAX};
use crate::{Error, Hint, hints, row};
use model::{ArtifactId, BuildId, BuildState, LeaseId};
use sqlx::PgConnection;

/// Orders the commits of published results, so that a reader who follows their numbers misses none.
/// Taken last and held only until the commit.
const PUBLICATION_LOCK: i64 = 0x7075_626c_6973_6831;

/// The longest stored reason, in bytes.
const REASON_LENGTH_MAX: usize = 4_000;

/// Where a build is, for a step that must not be taken from anywhere else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Queued,
    Running(LeaseId),
}

impl Place {
    const fn state(self) -> BuildState {
        match self {
            Self::Queued => BuildState::Queued,
            Self::Running(_) => BuildState::Running,
        }
    }

    const fn lease(self) -> Option<i64> {
        match self {
            Self::Queued => None,
            Self::Running(lease) => Some(lease.0),
        }
    }
}

/// How a build ended.
#[derive(Debug)]
pub(super) enum Ending<'a> {
    Succeeded {
        artifact: &'a ArtifactId,
        total_bytes: u64,
    },
    Failed {
        reason: &'a str,
    },
    Cancelled {
        reason: &'a str,
    },
}

impl Ending<'_> {
    const fn state(&self) -> BuildState {
        match self {
            Self::Succeeded { .. } => BuildState::Succeeded,
            Self::Failed { .. } => BuildState::Failed,
            Self::Cancelled { .. } => BuildState::Cancelled,
        }
    }

    /// The result's columns: artifact, length and reason.
    fn columns(&self) -> (Option<String>, Option<i64>, Option<&str>) {
        match self {
            Self::Succeeded {
                artifact,
                total_bytes,
            } => (Some(artifact.to_string()), Some(row::signed(*total_bytes)), None),
            Self::Failed { reason } | Self::Cancelled { reason } => (None, None, Some(cut(reason))),
        }
    }
}

/// The beginning of a reason, at most [`REASON_LENGTH_MAX`] bytes, at a character's border.
fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_LENGTH_MAX)]
}

impl Jobs {
    /// Publishes the build's one result. The manifest must be readable in the main store before.
    ///
    /// Fails with [`Error::LeaseLost`]; then nothing was published.
    pub async fn succeed(
        &self,
        build: BuildId,
        lease: LeaseId,
        artifact: &ArtifactId,
        total_bytes: u64,
    ) -> Result<(), Error> {
        self.finish_held(
            build,
            lease,
            Ending::Succeeded {
                artifact,
                total_bytes,
            },
        )
        .await
    }

    /// Ends the build without a result. `reason` is for the engineer who asked for it.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn fail(&self, build: BuildId, lease: LeaseId, reason: &str) -> Result<(), Error> {
        self.finish_held(build, lease, Ending::Failed { reason }).await
    }

    async fn finish_held(&self, build: BuildId, lease: LeaseId, ending: Ending<'_>) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        if !finish(&mut transaction, build, Place::Running(lease), ending).await? {
            return Err(Error::LeaseLost { build, lease });
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Puts the build back to the queue, at its old place, because this worker is about to stop. It
    /// never fails a build; only the build's lifetime bounds how often.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn hand_back(&self, build: BuildId, lease: LeaseId) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        if !requeue(&mut transaction, build, lease).await? {
            return Err(Error::LeaseLost { build, lease });
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Ends a build that is still at `place`; `false`, with nothing written, when it is not.
pub(super) async fn finish(
    connection: &mut PgConnection,
    build: BuildId,
    place: Place,
    ending: Ending<'_>,
) -> Result<bool, Error> {
    let updated = sqlx::query(
        "UPDATE jobs SET state = $4, lease = NULL, worker = NULL, claimed_at = NULL, expires_at = NULL
         WHERE build = $1 AND lease IS NOT DISTINCT FROM $2 AND state = $3",
    )
    .bind(build.0)
    .bind(place.lease())
    .bind(place.state().as_str())
    .bind(ending.state().as_str())
    .execute(&mut *connection)
    .await?;
    if updated.rows_affected() == 0 {
        return Ok(false);
    }
    if let Place::Running(lease) = place {
        close_phases(connection, lease).await?;
    }
    hints::send(connection, Hint::Build(build)).await?;
    insert_result(connection, build, place, &ending).await?;
    Ok(true)
}

async fn insert_result(
    connection: &mut PgConnection,
    build: BuildId,
    place: Place,
    ending: &Ending<'_>,
) -> Result<(), Error> {
    let publication: Option<i64> = if matches!(ending, Ending::Succeeded { .. }) {
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(PUBLICATION_LOCK)
            .execute(&mut *connection)
            .await?;
        let number = sqlx::query_scalar("SELECT nextval('publications')")
            .fetch_one(&mut *connection)
            .await?;
        Some(number)
    } else {
        None
    };
    let (artifact, total_bytes, reason) = ending.columns();
    sqlx::query(
        "INSERT INTO results (build, state, lease, artifact, total_bytes, reason, publication)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(build.0)
    .bind(ending.state().as_str())
    .bind(place.lease())
    .bind(artifact)
    .bind(total_bytes)
    .bind(reason)
    .bind(publication)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a RUNNING build from a lease and lets it wait again, at its old place and with what is left of
/// its lifetime; `false` when the lease does not hold it.
pub(super) async fn requeue(
    connection: &mut PgConnection,
    build: BuildId,
    lease: LeaseId,
) -> Result<bool, Error> {
    let updated = sqlx::query(
        "UPDATE jobs SET state = 'QUEUED', lease = NULL, worker = NULL, claimed_at = NULL,
                expires_at = builds.created_at + make_interval(hours => $3)
         FROM builds
         WHERE jobs.build = $1 AND jobs.lease = $2 AND jobs.state = 'RUNNING' AND builds.id = jobs.build",
    )
    .bind(build.0)
    .bind(lease.0)
    .bind(LIFETIME_HOURS_MAX)
    .execute(&mut *connection)
    .await?;
    if updated.rows_affected() == 0 {
        return Ok(false);
    }
    close_phases(connection, lease).await?;
    hints::send(connection, Hint::Queued).await?;
    hints::send(connection, Hint::Build(build)).await?;
    Ok(true)
}

async fn close_phases(connection: &mut PgConnection, lease: LeaseId) -> Result<(), Error> {
    sqlx::query("UPDATE phases SET finished_at = now() WHERE lease = $1 AND finished_at IS NULL")
        .bind(lease.0)
        .execute(connection)
        .await?;
    Ok(())
}
