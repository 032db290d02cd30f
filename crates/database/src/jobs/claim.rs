//! Taking builds from the queue.

use super::statements::{claim, claimed};
use super::{Jobs, repositories::stored_url, scan};
use crate::{Error, Hint, row};
use model::{
    Attempt, BuildId, BuildVersion, Commit, LeaseId, RepositoryName, RepositoryUrl, Revision, Target,
    WorkerName,
};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::{Duration, Instant};

/// The most builds that one call takes.
pub const CLAIMED_MAX: u32 = 256;

/// A build that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which build.
    pub build: BuildId,
    /// Goes into every write for this build.
    pub lease: LeaseId,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The repository's name.
    pub repository: RepositoryName,
    /// Where it is fetched from, as registered now.
    pub url: RepositoryUrl,
    /// What the engineer wrote.
    pub revision: Revision,
    /// What to check out.
    pub commit: Commit,
    /// What to build.
    pub target: Target,
    /// What the build is called.
    pub version: Option<BuildVersion>,
    /// How long this attempt may take, from now.
    pub time_left: Duration,
}

impl FromRow<'_, PgRow> for Claim {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let seconds_left: f64 = row.try_get("seconds_left")?;
        Ok(Self {
            build: BuildId(row.try_get("build")?),
            lease: LeaseId(row.try_get("lease")?),
            attempt: Attempt(row.try_get("attempt")?),
            repository: row::word(row, "repository")?,
            url: stored_url(row, "url")?,
            revision: row::word(row, "revision")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
            version: row::word_option(row, "version")?,
            time_left: Duration::try_from_secs_f64(seconds_left).unwrap_or_default(),
        })
    }
}

/// One build. Without a parameter in the limit the server plans this once for each connection; otherwise it
/// believes a plan for the number given to be much better each time, and planning costs more than claiming.
const CLAIM_ONE: &str = concat!(
    "WITH ",
    claim!("$1", "$2", "1"),
    " SELECT ",
    claimed!(),
    " FROM claimed"
);
const CLAIM_MANY: &str = concat!(
    "WITH ",
    claim!("$1", "$2", "$3"),
    " SELECT ",
    claimed!(),
    " FROM claimed ORDER BY lease"
);

impl Jobs {
    /// Takes the build whose turn it is; `None` when none waits. From here on the worker's heartbeats
    /// must name the lease.
    pub async fn claim(&self, worker: &WorkerName) -> Result<Option<Claim>, Error> {
        Ok(self.claim_many(worker, 1).await?.pop())
    }

    /// Takes the builds whose turn it is, at most `limit` and at most [`CLAIMED_MAX`] at once, the first
    /// of them first. From here on the worker's heartbeats must name their leases.
    pub async fn claim_many(&self, worker: &WorkerName, limit: u32) -> Result<Vec<Claim>, Error> {
        let (claims, front) = self.look(worker, limit).await?;
        if !claims.is_empty() || front {
            return Ok(claims);
        }
        // What came in ahead is seen only from the front, and that is looked at now or by somebody else.
        let front_from = self.shared.scan().front_from();
        if let Some(from) = front_from {
            tokio::time::sleep_until(from.into()).await;
        }
        Ok(self.look(worker, limit).await?.0)
    }

    /// Takes what a look finds, and says whether it was one from the front.
    async fn look(&self, worker: &WorkerName, limit: u32) -> Result<(Vec<Claim>, bool), Error> {
        let mut connection = self.pool.acquire().await?;
        let asked = Instant::now();
        let begin = self.shared.scan().begin(asked);
        let claim = if limit <= 1 {
            sqlx::query(CLAIM_ONE).bind(worker.as_str()).bind(begin)
        } else {
            let limit = row::limit(limit, CLAIMED_MAX);
            sqlx::query(CLAIM_MANY)
                .bind(worker.as_str())
                .bind(begin)
                .bind(limit)
        };
        let rows = claim.fetch_all(&mut *connection).await?;
        let ranks = rows.iter().map(|row| row.try_get("rank"));
        let last = ranks.collect::<sqlx::Result<Vec<i64>>>()?.into_iter().max();
        self.shared.scan().ended(begin, asked, Instant::now(), last);
        let claims: Vec<Claim> = rows.iter().map(Claim::from_row).collect::<sqlx::Result<_>>()?;
        for claim in &claims {
            self.shared.announcer.announce(Hint::Build(claim.build));
        }
        Ok((claims, begin == scan::FRONT))
    }
}
