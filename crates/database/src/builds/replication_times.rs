//! How long artifacts take to every region.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use model::RegionName;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// An artifact is in every region within ten minutes.
pub const REPLICATION_PROMISE: Duration = Duration::from_secs(600);
/// Over which time it is told how long replicas took.
pub const REPLICATION_TIMES_WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// How long a region's replicas took, from when they were asked for until they were VERIFIED.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicationTimes {
    /// In which region.
    pub region: RegionName,
    /// How many replicas are counted.
    pub replicas: u64,
    /// Half took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// The part that took no longer than was promised, 0 to 1.
    pub within_promise: f64,
}

impl FromRow<'_, PgRow> for ReplicationTimes {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let time = |column: &str| -> sqlx::Result<Duration> {
            Ok(Duration::try_from_secs_f64(row.try_get(column)?).unwrap_or_default())
        };
        Ok(Self {
            region: row::word(row, "region")?,
            replicas: row::size(row, "replicas")?,
            p50: time("p50")?,
            p90: time("p90")?,
            p99: time("p99")?,
            max: time("longest")?,
            within_promise: row.try_get("within_promise")?,
        })
    }
}

impl Builds {
    /// How long the replicas took that became VERIFIED within the last [`REPLICATION_TIMES_WINDOW`], by region, beside
    /// [`REPLICATION_PROMISE`]; a region without any is left out.
    pub async fn replication_times(&self) -> Result<Vec<ReplicationTimes>, Error> {
        let times = sqlx::query_as(
            "SELECT region, count(*) AS replicas, max(took) AS longest,
                    percentile_disc(0.5) WITHIN GROUP (ORDER BY took) AS p50,
                    percentile_disc(0.9) WITHIN GROUP (ORDER BY took) AS p90,
                    percentile_disc(0.99) WITHIN GROUP (ORDER BY took) AS p99,
                    (count(*) FILTER (WHERE took <= $2))::float8 / count(*) AS within_promise
             FROM (SELECT region, extract(epoch FROM verified_at - requested_at)::float8 AS took
                   FROM replicas
                   WHERE state = 'VERIFIED' AND verified_at > now() - make_interval(secs => $1)) AS newest
             GROUP BY region ORDER BY region LIMIT $3",
        )
        .bind(REPLICATION_TIMES_WINDOW.as_secs_f64())
        .bind(REPLICATION_PROMISE.as_secs_f64())
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(times)
    }
}
