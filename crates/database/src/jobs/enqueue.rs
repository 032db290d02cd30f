//! Asking for a build.

use super::{BuildRow, Jobs, admit::admit, finish::Ended, list::build_rows};
use crate::{Error, Hint};
use model::{Actor, BuildId, BuildVersion, Commit, Priority, RepositoryName, Revision, Target};
use sqlx::PgConnection;
use std::time::Duration;

/// The most builds that wait at once.
pub const QUEUED_BUILDS_MAX: u32 = 10_000;
/// How long a build may wait and run in total before it is FAILED.
pub(super) const LIFETIME_HOURS_MAX: i32 = 24;
/// How often an enqueue looks again after another made the same build, or ended it, in between.
const TRIES_MAX: u32 = 5;
/// How many of the newest claims say whose turn it is now. One alone may be out of line: a build that was
/// given back, or one that came late for its repository's limit.
pub(super) const NEWEST_CLAIMS: i64 = 32;

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBuild {
    /// From which repository.
    pub repository: RepositoryName,
    /// What the engineer wrote: a branch, tag or commit.
    pub revision: Revision,
    /// What it resolved to.
    pub commit: Commit,
    /// Which target.
    pub target: Target,
    /// What the build is called.
    pub version: Option<BuildVersion>,
    /// Who asks.
    pub actor: Actor,
    /// Build again even if the same was built, runs or waits.
    pub force: bool,
    /// How long one attempt may run, in whole seconds and at least one.
    pub deadline: Duration,
    /// How soon its turn comes.
    pub priority: Priority,
    /// Cancel what waits of the same repository, revision and target, for an older commit.
    pub supersede: bool,
}

/// The build that will answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// The build.
    pub build: BuildRow,
    /// Whether it was made now; otherwise the same build was there already.
    pub fresh: bool,
}

impl Jobs {
    /// Enqueues a build. The same target@commit that is queued, running or built is the same build,
    /// unless `force` is set.
    ///
    /// Fails with [`Error::UnknownRepository`] and [`Error::QueueFull`].
    pub async fn enqueue(&self, new: &NewBuild) -> Result<Enqueued, Error> {
        let mut tries = 0;
        loop {
            if !new.force
                && let Some(build) = self.find_same(new).await?
            {
                return Ok(Enqueued { build, fresh: false });
            }
            tries += 1;
            match self.insert_build(new).await {
                Err(error) if tries < TRIES_MAX && is_same_identity(&error) => {}
                Err(error) => return Err(error),
                Ok(build) => return Ok(Enqueued { build, fresh: true }),
            }
        }
    }

    /// The newest build of the same target@commit that waits, runs or succeeded.
    async fn find_same(&self, new: &NewBuild) -> Result<Option<BuildRow>, Error> {
        let build = sqlx::query_as(build_rows!(
            "WHERE builds.identity = sha256(convert_to($1, 'UTF8'))
               AND coalesce(results.state, 'QUEUED') IN ('QUEUED', 'SUCCEEDED')
               AND NOT EXISTS (SELECT FROM forgotten_builds WHERE forgotten_builds.build = builds.id)
             ORDER BY builds.id DESC LIMIT 1"
        ))
        .bind(identity(new))
        .fetch_optional(&self.pool)
        .await?;
        Ok(build)
    }

    async fn insert_build(&self, new: &NewBuild) -> Result<BuildRow, Error> {
        self.refuse_when_full(1).await?;
        let mut transaction = self.pool.begin().await?;
        let build = BuildId(uuid::Uuid::now_v7());
        insert_request(&mut transaction, build, new).await?;
        let superseded = if new.supersede {
            self.supersede(&mut transaction, build, new).await?
        } else {
            Ended::default()
        };
        if insert_queued(&mut transaction, build, new).await? {
            admit(&mut transaction, new.repository.as_str()).await?;
        }
        let row = sqlx::query_as(build_rows!("WHERE builds.id = $1"))
            .bind(build.0)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.after(&superseded).await;
        self.shared.announcer.announce(Hint::Queued);
        self.shared.announcer.announce(Hint::Build(build));
        Ok(row)
    }
}

/// What makes two requests the same. The parts cannot hold a line break.
fn identity(new: &NewBuild) -> String {
    format!("{}\n{}\n{}", new.repository, new.commit, new.target)
}

async fn insert_request(connection: &mut PgConnection, build: BuildId, new: &NewBuild) -> Result<(), Error> {
    let deadline_seconds = i32::try_from(new.deadline.as_secs().max(1)).unwrap_or(i32::MAX);
    let inserted = sqlx::query(
        "WITH request AS (
             INSERT INTO builds (id, repository, revision, commit_id, target, actor, forced, deadline_seconds,
                                 priority, identity, version)
             SELECT $1, name, $3, $4, $5, $6, $7, $8, $9, sha256(convert_to($10, 'UTF8')), $11
             FROM repositories WHERE name = $2
             RETURNING id, identity, forced
         ), only_one AS (
             INSERT INTO identities (identity, build) SELECT identity, id FROM request WHERE NOT forced
         )
         SELECT FROM request",
    )
    .bind(build.0)
    .bind(new.repository.as_str())
    .bind(new.revision.as_str())
    .bind(new.commit.as_str())
    .bind(new.target.as_str())
    .bind(new.actor.as_str())
    .bind(new.force)
    .bind(deadline_seconds)
    .bind(new.priority.as_str())
    .bind(identity(new))
    .bind(new.version.as_ref().map(BuildVersion::as_str))
    .execute(connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::UnknownRepository(new.repository.clone()));
    }
    Ok(())
}

/// Gives the build its turn: the one after its repository's last that waits, or after those that are
/// being claimed now. Whether its repository is limited, so that it waits to be let in.
async fn insert_queued(connection: &mut PgConnection, build: BuildId, new: &NewBuild) -> Result<bool, Error> {
    let limited = sqlx::query_scalar(
        "WITH present (turn) AS (
             SELECT coalesce(max(turn), 0)
             FROM (SELECT turn FROM attempts ORDER BY lease DESC LIMIT $5) AS newest
         ), own (turn) AS (
             SELECT 1 + coalesce((SELECT max(queue.turn) FROM queue
                                  WHERE repository = $2 AND queue.turn > present.turn), present.turn)
             FROM present
         ), queued AS (
             INSERT INTO queue (build, repository, turn, rank, attempt, ready, expires_at)
             SELECT $1, name, own.turn, own.turn - $3, 0, running_max IS NULL,
                    now() + make_interval(hours => $4)
             FROM own, repositories WHERE name = $2
         )
         SELECT running_max IS NOT NULL FROM repositories WHERE name = $2",
    )
    .bind(build.0)
    .bind(new.repository.as_str())
    .bind(new.priority.turns_ahead())
    .bind(LIFETIME_HOURS_MAX)
    .bind(NEWEST_CLAIMS)
    .fetch_one(connection)
    .await?;
    Ok(limited)
}

/// Whether another made the same build a moment earlier.
fn is_same_identity(error: &Error) -> bool {
    matches!(error, Error::Query(sqlx::Error::Database(error))
        if error.constraint() == Some("identities_pkey"))
}
