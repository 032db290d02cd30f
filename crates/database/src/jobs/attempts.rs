//! What became of each attempt, how long its phases usually take, and what a build waits for.

use super::Jobs;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::{Attempt, BuildId, LeaseId, Phase, WorkerName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// The builds of a target that are looked at for what is usual.
const EARLIER_BUILDS: i64 = 100;
/// How many builds ahead of one are counted.
const AHEAD_MAX: i64 = 1_000;
/// A worker that was heard of within this time takes builds.
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// One attempt at one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which attempt.
    pub attempt: Attempt,
    /// The attempt's lease.
    pub lease: LeaseId,
    /// Who worked on it.
    pub worker: WorkerName,
    /// The machine's name, as the worker said it last.
    pub host: Option<String>,
    /// When it began.
    pub claimed_at: Timestamp,
    /// When it ended, with or without the build.
    pub ended_at: Option<Timestamp>,
    /// Why the build went back to the queue, or why it did not succeed.
    pub reason: Option<String>,
}

impl FromRow<'_, PgRow> for AttemptRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            attempt: Attempt(row.try_get("attempt")?),
            lease: LeaseId(row.try_get("lease")?),
            worker: row::word(row, "worker")?,
            host: row.try_get("host")?,
            claimed_at: row::time(row, "claimed_at")?,
            ended_at: row::time_option(row, "ended_at")?,
            reason: row.try_get("reason")?,
        })
    }
}

/// How long something of a target usually takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsualTime {
    /// Which phase; the wait for a worker where it is absent.
    pub phase: Option<Phase>,
    /// The median.
    pub duration: Duration,
    /// Of how many builds.
    pub builds: u32,
}

/// What a build in the queue waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Until when it rests after a fault.
    pub rests_until: Option<Timestamp>,
    /// Whether it may be claimed at all: it does not rest, and its repository has room.
    pub ready: bool,
    /// The builds that come before it, at most a thousand.
    pub ahead: u32,
    /// The builds of its repository that run.
    pub running: u32,
    /// The most that may.
    pub running_max: Option<u32>,
    /// The workers that were heard of within a minute.
    pub workers: u32,
}

impl FromRow<'_, PgRow> for Waiting {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let count = |column| {
            row.try_get(column)
                .map(|count: i64| u32::try_from(count).unwrap_or(u32::MAX))
        };
        let running_max: Option<i32> = row.try_get("running_max")?;
        Ok(Self {
            rests_until: row::time_option(row, "rests_until")?,
            ready: row.try_get("ready")?,
            ahead: count("ahead")?,
            running: count("running")?,
            running_max: running_max.and_then(|max| u32::try_from(max).ok()),
            workers: count("workers")?,
        })
    }
}

impl Jobs {
    /// Every attempt at a build, oldest first.
    pub async fn attempts(&self, build: BuildId) -> Result<Vec<AttemptRow>, Error> {
        let attempts = sqlx::query_as(
            "SELECT attempts.attempt, attempts.lease, attempts.worker, workers.host, attempts.claimed_at,
                    coalesce(attempts.ended_at, results.finished_at) AS ended_at,
                    coalesce(attempts.reason, results.reason) AS reason
             FROM attempts
             LEFT JOIN workers ON workers.name = attempts.worker
             LEFT JOIN results ON results.build = attempts.build AND results.lease = attempts.lease
             WHERE attempts.build = $1 ORDER BY attempts.lease LIMIT $2",
        )
        .bind(build.0)
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(attempts)
    }

    /// How long the wait and each phase took in the last builds of the same target before this one that
    /// SUCCEEDED: the medians, nothing where there was none.
    pub async fn usual_times(&self, build: BuildId) -> Result<Vec<UsualTime>, Error> {
        let rows: Vec<(Option<String>, f64, i64)> = sqlx::query_as(
            "WITH earlier AS MATERIALIZED (
                 SELECT builds.id, builds.created_at
                 FROM builds JOIN builds AS this ON this.id = $1
                 WHERE builds.repository = this.repository AND builds.target = this.target
                   AND builds.id < this.id
                 ORDER BY builds.id DESC LIMIT $2
             ), well AS (
                 SELECT earlier.id, earlier.created_at, results.lease
                 FROM earlier JOIN results ON results.build = earlier.id WHERE results.state = 'SUCCEEDED'
             ), times (phase, took) AS (
                 SELECT phases.phase, finished_at - started_at
                 FROM well JOIN phases ON phases.lease = well.lease WHERE finished_at IS NOT NULL
                 UNION ALL
                 SELECT NULL, min(attempts.claimed_at) - well.created_at
                 FROM well JOIN attempts ON attempts.build = well.id GROUP BY well.id, well.created_at
             )
             SELECT phase, extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY took))::float8,
                    count(*)
             FROM times GROUP BY phase",
        )
        .bind(build.0)
        .bind(EARLIER_BUILDS)
        .fetch_all(&self.pool)
        .await?;
        // A phase of another version says nothing to this one.
        let known = rows.into_iter().filter_map(|(phase, seconds, builds)| {
            Some(UsualTime {
                phase: phase.map(|phase| phase.parse()).transpose().ok()?,
                duration: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
                builds: u32::try_from(builds).unwrap_or(u32::MAX),
            })
        });
        Ok(known.collect())
    }

    /// What a build waits for; `None` once it does not.
    pub async fn waiting(&self, build: BuildId) -> Result<Option<Waiting>, Error> {
        let waiting = sqlx::query_as(
            "SELECT queue.ready, queue.rests_until, repositories.running_max,
                    (SELECT count(*) FROM (
                        SELECT FROM queue AS other
                        WHERE other.ready AND (other.rank, other.build) < (queue.rank, queue.build) LIMIT $2
                     ) AS before) AS ahead,
                    (SELECT count(*) FROM leases WHERE leases.repository = queue.repository) AS running,
                    (SELECT count(*) FROM heartbeats
                     WHERE beat_at > clock_timestamp() - make_interval(secs => $3)) AS workers
             FROM queue JOIN repositories ON repositories.name = queue.repository
             WHERE queue.build = $1",
        )
        .bind(build.0)
        .bind(AHEAD_MAX)
        .bind(ALIVE_WITHIN.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?;
        Ok(waiting)
    }
}
