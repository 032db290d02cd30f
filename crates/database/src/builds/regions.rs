//! The regions, and the last word of each one's leader.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::RegionName;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// A region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRow {
    /// Its name.
    pub name: RegionName,
    /// When it was added.
    pub added_at: Timestamp,
    /// What its leader last said, if any ever spoke.
    pub word: Option<RegionWord>,
}

/// The last word of a region's leader on itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionWord {
    /// The leader's term.
    pub term: i64,
    /// The hosts that it had heard of within the last minute.
    pub hosts_alive: u32,
    /// Bytes that it read from the region's store since it began to lead.
    pub store_bytes_read: u64,
    /// When it spoke.
    pub at: Timestamp,
    /// How long ago that was, by the database's clock.
    pub age: Duration,
}

impl FromRow<'_, PgRow> for RegionRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            name: row::word(row, "name")?,
            added_at: row::time(row, "added_at")?,
            word: word_of(row)?,
        })
    }
}

/// Reads the columns of `region_reports`, which are all NULL where no leader has spoken.
pub(super) fn word_of(row: &PgRow) -> sqlx::Result<Option<RegionWord>> {
    let Some(term) = row.try_get("term")? else {
        return Ok(None);
    };
    let hosts_alive: i32 = row.try_get("hosts_alive")?;
    let age_seconds: f64 = row.try_get("age_seconds")?;
    Ok(Some(RegionWord {
        term,
        hosts_alive: u32::try_from(hosts_alive).unwrap_or(0),
        store_bytes_read: row::size(row, "store_bytes_read")?,
        at: row::time(row, "reported_at")?,
        age: Duration::try_from_secs_f64(age_seconds).unwrap_or_default(),
    }))
}

/// The columns that [`word_of`] reads.
macro_rules! word_columns {
    () => {
        "region_reports.term, region_reports.hosts_alive, region_reports.store_bytes_read,
         region_reports.reported_at,
         extract(epoch FROM clock_timestamp() - region_reports.reported_at)::float8 AS age_seconds"
    };
}
pub(super) use word_columns;

impl Builds {
    /// Adds a region, or does nothing when it is there. What every other region was told to run, a new
    /// one is told too.
    pub async fn upsert_region(&self, region: &RegionName) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT INTO regions (name) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(region.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO outbox (service, region, deployment, artifact, epoch, cursor_order, cursor_hosts, below)
             SELECT DISTINCT ON (service) service, $1, deployment, artifact, epoch, cursor_order,
                    CASE WHEN cursor_hosts IS NOT NULL THEN 0 END, below
             FROM outbox ORDER BY service, epoch DESC
             ON CONFLICT DO NOTHING",
        )
        .bind(region.as_str())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO replicas (artifact, region)
             SELECT DISTINCT artifact, region FROM outbox WHERE region = $1
             ON CONFLICT DO NOTHING",
        )
        .bind(region.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Every region by name, at most [`ROWS_MAX`].
    pub async fn regions(&self) -> Result<Vec<RegionRow>, Error> {
        let regions = sqlx::query_as(concat!(
            "SELECT regions.name, regions.added_at, ",
            word_columns!(),
            " FROM regions LEFT JOIN region_reports ON region_reports.region = regions.name
             ORDER BY regions.name LIMIT $1"
        ))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(regions)
    }
}
