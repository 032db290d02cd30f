//! Staying alive.

use super::Jobs;
use crate::Error;
use model::{LeaseId, WorkerName};

/// The most leases that one worker may hold.
const LEASES_MAX: usize = 1_024;

/// A worker's sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which worker.
    pub worker: WorkerName,
    /// The program's version.
    pub version: String,
    /// The machine's name, for people.
    pub host: String,
    /// How many builds it runs at once.
    pub capacity: u32,
    /// Every lease that it works on. A lease that is left out counts as dead: a worker that was
    /// restarted under its old name does not keep alive what it no longer runs.
    pub leases: Vec<LeaseId>,
}

impl Jobs {
    /// Says that a worker lives, and returns which of its leases hold no build any more: given away,
    /// cancelled or ended. The worker must kill what it runs for those.
    pub async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<LeaseId>, Error> {
        if beat.leases.len() > LEASES_MAX {
            return Err(Error::TooLarge {
                what: "the number of leases in a heartbeat",
                actual: beat.leases.len(),
                limit: LEASES_MAX,
            });
        }
        let leases: Vec<i64> = beat.leases.iter().map(|lease| lease.0).collect();
        // Two statements, each with a snapshot of its own: the first waits for a reaper that holds the
        // row, and the second then sees what it took. What a worker is changes when it is upgraded, and
        // is not even locked otherwise.
        sqlx::query(
            "WITH described AS (
                 INSERT INTO workers (name, version, host, capacity)
                 SELECT $1, $3, $4, $5
                 WHERE NOT EXISTS (SELECT FROM workers
                                   WHERE (name, version, host, capacity) = ($1, $3, $4, $5))
                 ON CONFLICT (name) DO UPDATE
                 SET version = excluded.version, host = excluded.host, capacity = excluded.capacity
             )
             INSERT INTO heartbeats (worker, leases) VALUES ($1, $2)
             ON CONFLICT (worker) DO UPDATE SET beat_at = clock_timestamp(), leases = excluded.leases",
        )
        .bind(beat.worker.as_str())
        .bind(&leases)
        .bind(&beat.version)
        .bind(&beat.host)
        .bind(i32::try_from(beat.capacity).unwrap_or(i32::MAX))
        .execute(&self.pool)
        .await?;
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let lost: Vec<i64> = sqlx::query_scalar(
            "SELECT held.lease FROM unnest($1::bigint[]) AS held (lease)
             WHERE NOT EXISTS (SELECT FROM leases WHERE leases.lease = held.lease)",
        )
        .bind(&leases)
        .fetch_all(&self.pool)
        .await?;
        Ok(lost.into_iter().map(LeaseId).collect())
    }
}
