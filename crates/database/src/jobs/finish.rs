//! Ending builds: each once, by whoever removes it from where it stood.

use super::Jobs;
use crate::{Error, Hint, row};
use model::{ArtifactId, BuildId, BuildState, LeaseId};
use sqlx::PgConnection;

/// The longest stored reason, in bytes.
const REASON_LENGTH_MAX: usize = 4_000;

/// What a build made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The artifact, whose manifest can be read in the main store.
    pub artifact: ArtifactId,
    /// Its length.
    pub total_bytes: u64,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Well; a test makes nothing.
    Succeeded(Option<Made>),
    /// Badly, for this reason, which is for the engineer who asked for it.
    Failed(String),
    /// Before its end, for this reason.
    Cancelled(String),
}

/// The end of a build that a lease holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Which build.
    pub build: BuildId,
    /// The lease that must hold it.
    pub lease: LeaseId,
    /// How it ended.
    pub ending: Ending,
}

impl Ending {
    const fn state(&self) -> BuildState {
        match self {
            Self::Succeeded(_) => BuildState::Succeeded,
            Self::Failed(_) => BuildState::Failed,
            Self::Cancelled(_) => BuildState::Cancelled,
        }
    }

    const fn made(&self) -> Option<Made> {
        match self {
            Self::Succeeded(made) => *made,
            Self::Failed(_) | Self::Cancelled(_) => None,
        }
    }

    /// The beginning of the reason, at most [`REASON_LENGTH_MAX`] bytes, at a character's border.
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Succeeded(_) => None,
            Self::Failed(reason) | Self::Cancelled(reason) => {
                Some(&reason[..reason.floor_char_boundary(REASON_LENGTH_MAX)])
            }
        }
    }
}

/// Ends the builds that are still where `$from` names them: one statement, so that a build that has
/// left is left alone. `$1` builds, `$2` leases, `$3` states, `$4` artifacts, `$5` lengths, `$6` reasons.
macro_rules! finish {
    ($from:literal) => {
        concat!(
            "WITH asked AS (
                 SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[])
                     AS asked (build, lease, state, artifact, total_bytes, reason)
             ), ended AS (",
            $from,
            "), closed AS (
                 UPDATE phases SET finished_at = now() FROM ended
                 WHERE phases.lease = ended.lease AND phases.finished_at IS NULL
             ), freed AS (
                 DELETE FROM identities USING ended JOIN builds ON builds.id = ended.build
                 WHERE ended.state <> 'SUCCEEDED'
                   AND identities.identity = builds.identity AND identities.build = ended.build
             ), recorded AS (
                 INSERT INTO results (build, state, lease, artifact, total_bytes, reason)
                 SELECT build, state, lease, artifact, total_bytes, reason FROM ended
             )
             SELECT ended.build, ended.repository, repositories.running_max IS NOT NULL AS limited
             FROM ended JOIN repositories ON repositories.name = ended.repository"
        )
    };
}

const FINISH_RUNNING: &str = finish!(
    "DELETE FROM leases USING asked
     WHERE leases.build = asked.build AND leases.lease = asked.lease
     RETURNING asked.*, leases.repository"
);
const FINISH_QUEUED: &str = finish!(
    "DELETE FROM queue USING asked
     WHERE queue.build = asked.build
     RETURNING asked.*, queue.repository"
);

/// A build that was ended now.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Ended {
    build: uuid::Uuid,
    repository: String,
    /// Whether the room that it leaves is waited for.
    limited: bool,
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
        let made = Made {
            artifact: *artifact,
            total_bytes,
        };
        self.finish_one(build, lease, Ending::Succeeded(Some(made))).await
    }

    /// Ends the build without a result. `reason` is for the engineer who asked for it.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn fail(&self, build: BuildId, lease: LeaseId, reason: &str) -> Result<(), Error> {
        self.finish_one(build, lease, Ending::Failed(reason.to_owned()))
            .await
    }

    async fn finish_one(&self, build: BuildId, lease: LeaseId, ending: Ending) -> Result<(), Error> {
        let finish = Finish { build, lease, ending };
        match self.finish_many(std::slice::from_ref(&finish)).await?.pop() {
            Some(_) => Ok(()),
            None => Err(Error::LeaseLost { build, lease }),
        }
    }

    /// Ends builds, together and at the cost of one; returns those that ended. What is not among them was
    /// lost to its lease, and nothing was written for it. All leases are different.
    pub async fn finish_many(&self, finishes: &[Finish]) -> Result<Vec<BuildId>, Error> {
        let asked: Vec<Asked<'_>> = finishes
            .iter()
            .map(|finish| (finish.build, Some(finish.lease), &finish.ending))
            .collect();
        let mut connection = self.pool.acquire().await?;
        let ended = finish(&mut connection, FINISH_RUNNING, &asked).await?;
        drop(connection);
        self.after(&ended).await;
        Ok(ended.iter().map(|ended| BuildId(ended.build)).collect())
    }

    /// What the ends of builds set off, once they are committed. Should it fail, the reaper does it.
    pub(super) async fn after(&self, ended: &[Ended]) {
        for ended in ended {
            self.shared.announcer.announce(Hint::Build(BuildId(ended.build)));
        }
        let limited = ended.iter().filter(|ended| ended.limited);
        let repositories: std::collections::BTreeSet<_> = limited.map(|ended| &ended.repository).collect();
        for repository in repositories {
            if let Err(error) = self.admit(repository).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to let the next build in"
                );
            }
        }
    }
}

/// A build to end, under which lease, and how.
pub(super) type Asked<'a> = (BuildId, Option<LeaseId>, &'a Ending);

/// Ends builds that run under their leases; those that did.
pub(super) async fn finish_running(
    connection: &mut PgConnection,
    asked: &[Asked<'_>],
) -> Result<Vec<Ended>, Error> {
    finish(connection, FINISH_RUNNING, asked).await
}

/// Ends builds that wait; those that did.
pub(super) async fn finish_queued(
    connection: &mut PgConnection,
    asked: &[Asked<'_>],
) -> Result<Vec<Ended>, Error> {
    finish(connection, FINISH_QUEUED, asked).await
}

async fn finish(
    connection: &mut PgConnection,
    statement: &'static str,
    asked: &[Asked<'_>],
) -> Result<Vec<Ended>, Error> {
    let column = |of: fn(&Ending) -> Option<String>| -> Vec<Option<String>> {
        asked.iter().map(|(_, _, ending)| of(ending)).collect()
    };
    let ended = sqlx::query_as(statement)
        .bind(asked.iter().map(|(build, ..)| build.0).collect::<Vec<_>>())
        .bind(
            asked
                .iter()
                .map(|(_, lease, _)| lease.map(|lease| lease.0))
                .collect::<Vec<_>>(),
        )
        .bind(
            asked
                .iter()
                .map(|(.., ending)| ending.state().as_str())
                .collect::<Vec<_>>(),
        )
        .bind(column(|ending| {
            ending.made().map(|made| made.artifact.to_string())
        }))
        .bind(
            asked
                .iter()
                .map(|(.., ending)| ending.made().map(|made| row::signed(made.total_bytes)))
                .collect::<Vec<_>>(),
        )
        .bind(
            asked
                .iter()
                .map(|(.., ending)| ending.reason())
                .collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await?;
    Ok(ended)
}
