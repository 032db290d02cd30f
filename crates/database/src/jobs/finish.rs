//! Ending builds: each once, by whoever removes it from where it stood.

use super::Jobs;
use super::statements::{ended, finish, finish_from_leases, finish_one, of_arrays};
use crate::{Error, Hint, row};
use model::{ArtifactId, BuildId, BuildState, LeaseId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, Row};

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

const FINISH_ONE: &str = concat!("WITH ", finish_one!(), " SELECT ", ended!());
const FINISH_RUNNING: &str = concat!(
    "WITH ",
    finish!(of_arrays!(), finish_from_leases!()),
    " SELECT ",
    ended!()
);
const FINISH_QUEUED: &str = concat!(
    "WITH ",
    finish!(
        of_arrays!(),
        "DELETE FROM queue USING asked
         WHERE queue.build = asked.build
         RETURNING asked.*, queue.repository"
    ),
    " SELECT ",
    ended!()
);

/// A query that is being bound.
type Bound<'q> = Query<'q, Postgres, PgArguments>;

impl Finish {
    /// Binds the six parameters of one end.
    fn bind_to<'q>(&'q self, query: Bound<'q>) -> Bound<'q> {
        let made = self.ending.made();
        query
            .bind(self.build.0)
            .bind(self.lease.0)
            .bind(self.ending.state().as_str())
            .bind(made.map(|made| made.artifact.to_string()))
            .bind(made.map(|made| row::signed(made.total_bytes)))
            .bind(self.ending.reason())
    }

    /// Binds the six parameters of many ends.
    fn bind_all<'q>(finishes: &'q [Self], query: Bound<'q>) -> Bound<'q> {
        let leases = finishes.iter().map(|finish| Some(finish.lease.0)).collect();
        let asked = finishes.iter().map(|finish| (finish.build, &finish.ending));
        bind_arrays(asked, leases, query)
    }
}

fn bind_arrays<'q>(
    asked: impl Iterator<Item = (BuildId, &'q Ending)> + Clone,
    leases: Vec<Option<i64>>,
    query: Bound<'q>,
) -> Bound<'q> {
    fn column<'q, T>(
        asked: impl Iterator<Item = (BuildId, &'q Ending)>,
        of: impl Fn(&'q Ending) -> T,
    ) -> Vec<T> {
        asked.map(|(_, ending)| of(ending)).collect()
    }
    query
        .bind(asked.clone().map(|(build, _)| build.0).collect::<Vec<_>>())
        .bind(leases)
        .bind(column(asked.clone(), |ending| ending.state().as_str()))
        .bind(column(asked.clone(), |ending| {
            ending.made().map(|made| made.artifact.to_string())
        }))
        .bind(column(asked.clone(), |ending| {
            ending.made().map(|made| row::signed(made.total_bytes))
        }))
        .bind(column(asked, Ending::reason))
}

/// Builds that were ended now.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) builds: Vec<BuildId>,
    /// The repositories of theirs whose room is waited for.
    pub(super) limited: Vec<String>,
}

impl FromRow<'_, PgRow> for Ended {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let builds: Option<Vec<uuid::Uuid>> = row.try_get("ended")?;
        let limited: Option<Vec<String>> = row.try_get("limited")?;
        Ok(Self {
            builds: builds.unwrap_or_default().into_iter().map(BuildId).collect(),
            limited: limited.unwrap_or_default(),
        })
    }
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
        self.succeed_with(build, lease, Some(made)).await
    }

    /// Records the build's one result, or that its test has passed.
    ///
    /// Fails with [`Error::LeaseLost`]; then nothing was published.
    pub async fn succeed_with(
        &self,
        build: BuildId,
        lease: LeaseId,
        made: Option<Made>,
    ) -> Result<(), Error> {
        self.finish_one(build, lease, Ending::Succeeded(made)).await
    }

    /// Ends the build without a result. `reason` is for the engineer who asked for it.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn fail(&self, build: BuildId, lease: LeaseId, reason: &str) -> Result<(), Error> {
        self.finish_one(build, lease, Ending::Failed(reason.to_owned()))
            .await
    }

    async fn finish_one(&self, build: BuildId, lease: LeaseId, ending: Ending) -> Result<(), Error> {
        let ended = self
            .shared
            .finisher
            .finish(Finish { build, lease, ending })
            .await?;
        self.after(&ended).await;
        if ended.builds.is_empty() {
            return Err(Error::LeaseLost { build, lease });
        }
        Ok(())
    }

    /// Ends builds, together and at the cost of one; returns those that ended. What is not among them was
    /// lost to its lease, and nothing was written for it. All leases are different.
    pub async fn finish_many(&self, finishes: &[Finish]) -> Result<Vec<BuildId>, Error> {
        let ended = finish_together(&self.pool, finishes).await?;
        self.after(&ended).await;
        Ok(ended.builds)
    }

    /// What the ends of builds set off, once they are committed. Should it fail, the reaper does it.
    pub(super) async fn after(&self, ended: &Ended) {
        for build in &ended.builds {
            self.shared.announcer.announce(Hint::Build(*build));
        }
        for repository in &ended.limited {
            if let Err(error) = self.admit(repository).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "failed to let the next build in");
            }
        }
    }
}

/// Ends those of the builds that still run under their leases.
pub(super) async fn finish_together(pool: &PgPool, finishes: &[Finish]) -> Result<Ended, Error> {
    let query = match finishes {
        [one] => one.bind_to(sqlx::query(FINISH_ONE)),
        many => Finish::bind_all(many, sqlx::query(FINISH_RUNNING)),
    };
    Ok(Ended::from_row(&query.fetch_one(pool).await?)?)
}

/// Ends a build that runs under its lease, if it still does.
pub(super) async fn finish_running(
    connection: &mut PgConnection,
    build: BuildId,
    lease: LeaseId,
    ending: Ending,
) -> Result<Ended, Error> {
    let finish = Finish { build, lease, ending };
    let row = finish
        .bind_to(sqlx::query(FINISH_ONE))
        .fetch_one(connection)
        .await?;
    Ok(Ended::from_row(&row)?)
}

/// Ends those of the builds that still wait.
pub(super) async fn finish_queued(
    connection: &mut PgConnection,
    builds: &[BuildId],
    ending: &Ending,
) -> Result<Ended, Error> {
    let asked = builds.iter().map(|build| (*build, ending));
    let row = bind_arrays(asked, vec![None; builds.len()], sqlx::query(FINISH_QUEUED))
        .fetch_one(connection)
        .await?;
    Ok(Ended::from_row(&row)?)
}
