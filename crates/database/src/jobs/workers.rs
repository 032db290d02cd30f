//! Who builds, what they build, and whether there are enough of them.

use super::Jobs;
use crate::{Error, ROWS_MAX, row};
use model::{Attempt, BuildId, Phase, RepositoryName, Target, WorkerName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// A worker that was silent for so long is not listed any more.
const FORGOTTEN_AFTER_HOURS: i32 = 24;

/// A worker, as it last described itself.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerRow {
    /// Its name.
    pub name: WorkerName,
    /// Its program's version.
    pub version: String,
    /// Its machine's name.
    pub host: String,
    /// How many builds it runs at once at most.
    pub capacity: u32,
    /// The time since its last sign of life, by the database's clock.
    pub silent_for: Duration,
    /// What it holds.
    pub running: Vec<RunningBuild>,
}

/// A build in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningBuild {
    /// Which build.
    pub build: BuildId,
    /// From which repository.
    pub repository: RepositoryName,
    /// Which target.
    pub target: Target,
    /// Which attempt.
    pub attempt: Attempt,
    /// Its present step; none just after the claim.
    pub phase: Option<Phase>,
    /// The time since it was claimed, by the database's clock.
    pub running_for: Duration,
}

/// How much there is to do, and how many there are to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Builds that wait.
    pub queued: u64,
    /// Those of them that a worker could take now: their repository has room, and they do not rest after a fault.
    pub ready: u64,
    /// How long the oldest of those that are ready has waited, since it was asked for.
    pub oldest_wait: Option<Duration>,
    /// Builds that run.
    pub running: u64,
    /// Workers that were heard of lately.
    pub workers: u64,
    /// How many builds these can run at once.
    pub slots: u64,
}

impl Demand {
    /// How many builds could run now, if there were workers enough.
    pub const fn slots_wanted(&self) -> u64 {
        self.running + self.ready
    }
}

impl Jobs {
    /// The workers that were heard of in the last day, by name, and what each holds. At most [`ROWS_MAX`].
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, Error> {
        let mut running = self.running_by_worker().await?;
        let rows = sqlx::query(
            "SELECT workers.name, workers.version, workers.host, workers.capacity,
                    extract(epoch FROM clock_timestamp() - heartbeats.beat_at)::float8 AS silent_seconds
             FROM workers JOIN heartbeats ON heartbeats.worker = workers.name
             WHERE heartbeats.beat_at > clock_timestamp() - make_interval(hours => $1)
             ORDER BY workers.name LIMIT $2",
        )
        .bind(FORGOTTEN_AFTER_HOURS)
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        let workers = rows.iter().map(|row| {
            let name: WorkerName = row::word(row, "name")?;
            let capacity: i32 = row.try_get("capacity")?;
            Ok(WorkerRow {
                version: row.try_get("version")?,
                host: row.try_get("host")?,
                capacity: capacity.unsigned_abs(),
                silent_for: seconds(row, "silent_seconds")?,
                running: running.remove(&name).unwrap_or_default(),
                name,
            })
        });
        Ok(workers.collect::<sqlx::Result<_>>()?)
    }

    async fn running_by_worker(&self) -> Result<BTreeMap<WorkerName, Vec<RunningBuild>>, Error> {
        let rows = sqlx::query(
            "SELECT leases.worker, leases.build, leases.attempt, leases.repository, builds.target,
                    attempts.phase,
                    extract(epoch FROM clock_timestamp() - leases.claimed_at)::float8 AS running_seconds
             FROM leases
             JOIN builds ON builds.id = leases.build
             LEFT JOIN attempts ON attempts.lease = leases.lease
             ORDER BY leases.lease LIMIT $1",
        )
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut running: BTreeMap<WorkerName, Vec<RunningBuild>> = BTreeMap::new();
        for row in rows {
            let worker = row::word(&row, "worker")?;
            running
                .entry(worker)
                .or_default()
                .push(RunningBuild::from_row(&row)?);
        }
        Ok(running)
    }

    /// How much there is to do now. Workers count that were heard of within `window`.
    pub async fn demand(&self, window: Duration) -> Result<Demand, Error> {
        let row = sqlx::query(
            "SELECT waiting.*, (SELECT count(*) FROM leases) AS running, alive.*
             FROM (SELECT count(*) AS queued, count(*) FILTER (WHERE ready) AS ready,
                          extract(epoch FROM clock_timestamp() - min(builds.created_at) FILTER (WHERE ready))::float8
                              AS oldest_seconds
                   FROM queue JOIN builds ON builds.id = queue.build) AS waiting,
                  (SELECT count(*) AS workers, coalesce(sum(workers.capacity), 0)::bigint AS slots
                   FROM workers JOIN heartbeats ON heartbeats.worker = workers.name
                   WHERE heartbeats.beat_at > clock_timestamp() - make_interval(secs => $1)) AS alive",
        )
        .bind(window.as_secs_f64())
        .fetch_one(&self.pool)
        .await?;
        let oldest: Option<f64> = row.try_get("oldest_seconds")?;
        Ok(Demand {
            queued: row::size(&row, "queued")?,
            ready: row::size(&row, "ready")?,
            oldest_wait: oldest.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
            running: row::size(&row, "running")?,
            workers: row::size(&row, "workers")?,
            slots: row::size(&row, "slots")?,
        })
    }
}

impl FromRow<'_, PgRow> for RunningBuild {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            build: BuildId(row.try_get("build")?),
            repository: row::word(row, "repository")?,
            target: row::word(row, "target")?,
            attempt: Attempt(row.try_get("attempt")?),
            phase: row::word_option(row, "phase")?,
            running_for: seconds(row, "running_seconds")?,
        })
    }
}

/// A time that a clock which was set back may show as negative.
fn seconds(row: &PgRow, column: &str) -> sqlx::Result<Duration> {
    let seconds: f64 = row.try_get(column)?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
