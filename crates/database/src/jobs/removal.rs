//! Keeping the publishing of an artifact and its removal out of each other's way.
//!
//! An artifact is named by its content, so a build may make again what is just being removed: it would find it in the
//! store and be content with it, or put a manifest where the next moment brings the order to remove one. So an attempt
//! first says what it [sets out](Jobs::set_out) to publish or to take over, and nobody begins to remove that while the
//! attempt holds its lease, or once it has succeeded. Whoever removes [begins](Jobs::begin_removal) that here, and no
//! attempt publishes meanwhile. Both say so under one lock, the artifact's, so one of them sees the other.
//!
//! Who removes may crash. What it has asked of a store by then may still come true, but not for long: it asks nothing
//! later than [`REMOVAL_LASTS_MAX`] after it began, and twice that is waited for. An order that a machine was stopped
//! over carries the time of its signature, and stores refuse it when it is old.

use super::Jobs;
use crate::{Error, row};
use jiff::Timestamp;
use model::{ArtifactId, BuildId, Commit, LeaseId, RepositoryName, Target};
use sqlx::PgConnection;
use std::collections::BTreeSet;
use std::time::Duration;

/// For how long after it began one who removes an artifact may ask for more.
pub const REMOVAL_LASTS_MAX: Duration = Duration::from_secs(60);
/// After this long nothing of a removal can come true any more.
const REMOVAL_IS_OVER_AFTER: Duration = REMOVAL_LASTS_MAX.saturating_mul(2);
/// The most builds in the queue and with workers that are looked at.
const ACTIVE_MAX: i64 = 200_000;

/// The right to remove an artifact from every store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    artifact: ArtifactId,
    begun_at: Timestamp,
}

impl Jobs {
    /// Says that an attempt is about to publish an artifact, or to take it over from an earlier build. From then on
    /// nobody begins to remove it. Whether it may do so now; `false` while it is being removed, which takes no longer
    /// than 2 × [`REMOVAL_LASTS_MAX`]. What the store held of it must be looked at after a `true`, not before.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn set_out(
        &self,
        build: BuildId,
        lease: LeaseId,
        artifact: &ArtifactId,
    ) -> Result<bool, Error> {
        let mut transaction = self.fenced(build, lease).await?;
        lock(&mut transaction, artifact).await?;
        sqlx::query(
            "INSERT INTO artifact_attempts (artifact, lease, build) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(artifact.to_string())
        .bind(lease.0)
        .bind(build.0)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM removals WHERE artifact = $1 AND begun_at < now() - make_interval(secs => $2)",
        )
        .bind(artifact.to_string())
        .bind(REMOVAL_IS_OVER_AFTER.as_secs_f64())
        .execute(&mut *transaction)
        .await?;
        let free = sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM removals WHERE artifact = $1)")
            .bind(artifact.to_string())
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(free)
    }

    /// Begins to remove an artifact that `builds` have made, and lets what they built be built again when it is asked
    /// for. `None`, with nothing written, while an attempt means to publish it, or another build has made it, or
    /// somebody else may still be removing it.
    pub async fn begin_removal(
        &self,
        artifact: &ArtifactId,
        builds: &[BuildId],
    ) -> Result<Option<Removal>, Error> {
        let builds: Vec<uuid::Uuid> = builds.iter().map(|build| build.0).collect();
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, artifact).await?;
        if is_wanted(&mut transaction, artifact, &builds).await? {
            return Ok(None);
        }
        let begun = sqlx::query(
            "INSERT INTO removals (artifact) VALUES ($1)
             ON CONFLICT (artifact) DO UPDATE SET begun_at = now()
             WHERE removals.begun_at < now() - make_interval(secs => $2)
             RETURNING begun_at",
        )
        .bind(artifact.to_string())
        .bind(REMOVAL_IS_OVER_AFTER.as_secs_f64())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(begun) = begun else { return Ok(None) };
        forget(&mut transaction, &builds).await?;
        transaction.commit().await?;
        Ok(Some(Removal {
            artifact: *artifact,
            begun_at: row::time(&begun, "begun_at")?,
        }))
    }

    /// Ends a removal of which every order was answered: the artifact may be published again.
    pub async fn end_removal(&self, removal: &Removal) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let ended = sqlx::query("DELETE FROM removals WHERE artifact = $1 AND begun_at = $2")
            .bind(removal.artifact.to_string())
            .bind(jiff_sqlx::Timestamp::from(removal.begun_at))
            .execute(&mut *transaction)
            .await?;
        if ended.rows_affected() > 0 {
            sqlx::query(
                "DELETE FROM artifact_attempts USING forgotten_builds
                 WHERE artifact_attempts.artifact = $1 AND forgotten_builds.build = artifact_attempts.build",
            )
            .bind(removal.artifact.to_string())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Every repository, commit and target that waits or is built now.
    ///
    /// Fails with [`Error::TooLarge`] rather than to answer with a part.
    pub async fn active_identities(&self) -> Result<BTreeSet<(RepositoryName, Commit, Target)>, Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT builds.repository, builds.commit_id, builds.target
             FROM (SELECT build FROM queue UNION ALL SELECT build FROM leases) AS active
             JOIN builds ON builds.id = active.build LIMIT $1",
        )
        .bind(ACTIVE_MAX + 1)
        .fetch_all(&self.pool)
        .await?;
        let limit = usize::try_from(ACTIVE_MAX).unwrap_or(usize::MAX);
        if rows.len() > limit {
            return Err(Error::TooLarge {
                what: "the number of active builds",
                actual: rows.len(),
                limit,
            });
        }
        let identity = |row| {
            Ok((
                row::word(row, "repository")?,
                row::word(row, "commit_id")?,
                row::word(row, "target")?,
            ))
        };
        let identities = rows.iter().map(identity).collect::<sqlx::Result<_>>()?;
        Ok(identities)
    }
}

/// Makes whoever publishes or removes the artifact take turns, until the transaction ends.
async fn lock(connection: &mut PgConnection, artifact: &ArtifactId) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("removal of {artifact}"))
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether an attempt that holds its lease means to publish the artifact, or a build beside these has. One
/// statement: who is between the two is seen as one of them.
async fn is_wanted(
    connection: &mut PgConnection,
    artifact: &ArtifactId,
    builds: &[uuid::Uuid],
) -> Result<bool, Error> {
    let wanted = sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM artifact_attempts AS attempt
             LEFT JOIN leases ON leases.build = attempt.build AND leases.lease = attempt.lease
             LEFT JOIN results ON results.build = attempt.build AND results.artifact = attempt.artifact
             LEFT JOIN forgotten_builds AS forgotten ON forgotten.build = attempt.build
             WHERE attempt.artifact = $1
               AND (leases.build IS NOT NULL
                    OR results.build IS NOT NULL AND forgotten.build IS NULL AND attempt.build <> ALL ($2))
         )",
    )
    .bind(artifact.to_string())
    .bind(builds)
    .fetch_one(connection)
    .await?;
    Ok(wanted)
}

/// What these builds made is built again when it is asked for, and taken over by nobody.
async fn forget(connection: &mut PgConnection, builds: &[uuid::Uuid]) -> Result<(), Error> {
    for statement in [
        "INSERT INTO forgotten_builds (build) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        "DELETE FROM build_inputs WHERE build = ANY ($1)",
        "DELETE FROM identities WHERE build = ANY ($1)",
    ] {
        sqlx::query(statement)
            .bind(builds)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
