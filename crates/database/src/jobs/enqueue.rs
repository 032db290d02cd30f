//! Asking for a build.

use super::{BuildRow, Jobs, list::build_rows};
use crate::{Error, Hint, hints};
use model::{Actor, BuildId, Commit, RepositoryName, Revision, Target};
use sqlx::PgConnection;
use std::time::Duration;

/// The most builds that wait at once.
pub const QUEUED_BUILDS_MAX: u32 = 10_000;
/// How long a build may wait and run in total before it is FAILED.
pub(super) const LIFETIME_HOURS_MAX: i32 = 24;
/// How often an enqueue looks again after another made the same build, or ended it, in between.
const TRIES_MAX: u32 = 5;

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
    /// Who asks.
    pub actor: Actor,
    /// Build again even if the same was built, runs or waits.
    pub force: bool,
    /// How long one attempt may run, in whole seconds and at least one.
    pub deadline: Duration,
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
            "WHERE jobs.identity = sha256(convert_to($1, 'UTF8'))
               AND jobs.state IN ('QUEUED', 'RUNNING', 'SUCCEEDED')
             ORDER BY jobs.build DESC LIMIT 1"
        ))
        .bind(identity(new))
        .fetch_optional(&self.pool)
        .await?;
        Ok(build)
    }

    async fn insert_build(&self, new: &NewBuild) -> Result<BuildRow, Error> {
        let mut transaction = self.pool.begin().await?;
        refuse_when_full(&mut transaction).await?;
        let build = BuildId(uuid::Uuid::now_v7());
        insert_request(&mut transaction, build, new).await?;
        sqlx::query(
            "INSERT INTO jobs (build, identity, forced, expires_at)
             VALUES ($1, sha256(convert_to($2, 'UTF8')), $3, now() + make_interval(hours => $4))",
        )
        .bind(build.0)
        .bind(identity(new))
        .bind(new.force)
        .bind(LIFETIME_HOURS_MAX)
        .execute(&mut *transaction)
        .await?;
        hints::send(&mut transaction, Hint::Queued).await?;
        hints::send(&mut transaction, Hint::Build(build)).await?;
        let row = sqlx::query_as(build_rows!("WHERE jobs.build = $1"))
            .bind(build.0)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
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
        "INSERT INTO builds (id, repository, revision, commit_id, target, actor, forced, deadline_seconds)
         SELECT $1, name, $3, $4, $5, $6, $7, $8 FROM repositories WHERE name = $2",
    )
    .bind(build.0)
    .bind(new.repository.as_str())
    .bind(new.revision.as_str())
    .bind(new.commit.as_str())
    .bind(new.target.as_str())
    .bind(new.actor.as_str())
    .bind(new.force)
    .bind(deadline_seconds)
    .execute(connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::UnknownRepository(new.repository.clone()));
    }
    Ok(())
}

/// Several at once may step over the limit together, by as many as there are connections.
async fn refuse_when_full(connection: &mut PgConnection) -> Result<(), Error> {
    let queued: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM jobs WHERE state = 'QUEUED' LIMIT $1) AS queued",
    )
    .bind(i64::from(QUEUED_BUILDS_MAX))
    .fetch_one(connection)
    .await?;
    if queued >= i64::from(QUEUED_BUILDS_MAX) {
        return Err(Error::QueueFull(QUEUED_BUILDS_MAX));
    }
    Ok(())
}

/// Whether another made the same build a moment earlier.
fn is_same_identity(error: &Error) -> bool {
    matches!(error, Error::Query(sqlx::Error::Database(error))
        if error.constraint() == Some("jobs_one_per_identity"))
}
