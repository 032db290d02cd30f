//! What operators said about regions' distributions, and whether the regions were told.

use super::Builds;
use crate::{Error, Hint, ROWS_MAX, hints, row};
use jiff::Timestamp;
use model::control::{Hold, Limits, RegionControls};
use model::{Actor, ArtifactId, Epoch, RegionName};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};

/// All that was said about one region's distributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlsRow {
    /// Which region.
    pub region: RegionName,
    /// What it should be told.
    pub controls: RegionControls,
    /// Whether it was told that.
    pub told: bool,
    /// How often telling it has failed.
    pub failures: u32,
    /// Who last changed the limits.
    pub actor: Option<Actor>,
    /// When that was.
    pub limited_at: Option<Timestamp>,
}

/// Something to say about one distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistributionChange {
    /// Hold it, end it, or let it go on.
    Hold(Hold),
    /// Prefer it to all others.
    Prefer,
}

impl FromRow<'_, PgRow> for ControlsRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(distributions) = row.try_get("distributions")?;
        let failures: i32 = row.try_get("failures")?;
        Ok(Self {
            region: row::word(row, "region")?,
            controls: RegionControls {
                epoch: Epoch(row.try_get("epoch")?),
                limits: Limits {
                    upload_bytes_per_s: row::size_option(row, "upload_bytes_per_s")?,
                    download_bytes_per_s: row::size_option(row, "download_bytes_per_s")?,
                },
                distributions,
            },
            told: row.try_get("told")?,
            failures: u32::try_from(failures).unwrap_or(0),
            actor: row::word_option(row, "actor")?,
            limited_at: row::time_option(row, "limited_at")?,
        })
    }
}

/// Rows of regions to which something was said.
macro_rules! controls {
    ($condition:literal) => {
        concat!(
            "SELECT said.*, said.delivered_epoch >= said.epoch AS told,
                    (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                'artifact', artifact, 'hold', hold, 'preference', preference)
                            ORDER BY artifact), '[]')
                     FROM distribution_controls WHERE region = said.region) AS distributions
             FROM region_controls AS said WHERE ",
            $condition
        )
    };
}

impl Builds {
    /// What was said about every region's distributions, by region; regions to which nothing was ever said
    /// are left out.
    pub async fn region_controls(&self) -> Result<Vec<ControlsRow>, Error> {
        let rows = sqlx::query_as(controls!("true ORDER BY region LIMIT $1"))
            .bind(i64::from(ROWS_MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Sets how fast a host of the region may exchange pieces.
    ///
    /// Fails with [`Error::UnknownRegion`].
    pub async fn set_limits(&self, region: &RegionName, limits: &Limits, actor: &Actor) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        if next_epochs(&mut transaction, Some(region)).await?.is_empty() {
            return Err(Error::UnknownRegion(region.clone()));
        }
        sqlx::query(
            "UPDATE region_controls
             SET upload_bytes_per_s = $2, download_bytes_per_s = $3, actor = $4, limited_at = now()
             WHERE region = $1",
        )
        .bind(region.as_str())
        .bind(limits.upload_bytes_per_s.map(row::signed))
        .bind(limits.download_bytes_per_s.map(row::signed))
        .bind(actor.as_str())
        .execute(&mut *transaction)
        .await?;
        hints::send(&mut transaction, Hint::Controls).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Says something about an artifact's distribution to one region, or to all whose services are ordered
    /// to have it.
    ///
    /// Fails with [`Error::UnknownRegion`] and [`Error::UnknownDistribution`].
    pub async fn control_distribution(
        &self,
        artifact: &ArtifactId,
        region: Option<&RegionName>,
        change: DistributionChange,
        actor: &Actor,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let regions = next_epochs(&mut transaction, region).await?;
        if let (Some(region), true) = (region, regions.is_empty()) {
            return Err(Error::UnknownRegion(region.clone()));
        }
        let (hold, prefer) = match change {
            DistributionChange::Hold(hold) => (Some(hold.as_str()), false),
            DistributionChange::Prefer => (None, true),
        };
        let said = sqlx::query(
            "INSERT INTO distribution_controls AS known (region, artifact, hold, preference, actor)
             SELECT region, $2, coalesce($3, 'NONE'), CASE WHEN $4 THEN epoch ELSE 0 END, $5
             FROM region_controls
             WHERE region = ANY ($1) AND EXISTS (
                 SELECT FROM outbox WHERE artifact = $2 AND outbox.region = region_controls.region)
             ON CONFLICT (region, artifact) DO UPDATE
             SET hold = coalesce($3, known.hold), actor = excluded.actor, changed_at = now(),
                 preference = CASE WHEN $4 THEN excluded.preference ELSE known.preference END",
        )
        .bind(&regions)
        .bind(artifact.to_string())
        .bind(hold)
        .bind(prefer)
        .bind(actor.as_str())
        .execute(&mut *transaction)
        .await?;
        if said.rows_affected() == 0 {
            return Err(Error::UnknownDistribution(*artifact));
        }
        forget_unordered(&mut transaction, &regions).await?;
        hints::send(&mut transaction, Hint::Controls).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What regions should be told now.
    pub async fn due_controls(&self) -> Result<Vec<ControlsRow>, Error> {
        let rows = sqlx::query_as(controls!(
            "delivered_epoch < epoch AND retry_at <= now() ORDER BY retry_at LIMIT $1"
        ))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Records that a region knows what was said up to this epoch. Doing it twice changes nothing.
    pub async fn controls_delivered(&self, region: &RegionName, epoch: Epoch) -> Result<(), Error> {
        sqlx::query(
            "UPDATE region_controls SET delivered_epoch = $2, failures = 0
             WHERE region = $1 AND delivered_epoch < $2 AND epoch >= $2",
        )
        .bind(region.as_str())
        .bind(epoch.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records that a region could not be told; waits as long as [`Builds::outbox_failed`].
    pub async fn controls_failed(&self, region: &RegionName, epoch: Epoch) -> Result<(), Error> {
        sqlx::query(
            "UPDATE region_controls
             SET failures = failures + 1,
                 retry_at = now() + make_interval(secs => least(0.5 * power(2, least(failures, 20)), 30))
             WHERE region = $1 AND epoch = $2",
        )
        .bind(region.as_str())
        .bind(epoch.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Heals the case that a region holds a larger epoch than was ever given out here: what was said is told
    /// again under an epoch above `seen`.
    pub async fn controls_overtaken(&self, region: &RegionName, seen: Epoch) -> Result<(), Error> {
        sqlx::query(
            "UPDATE region_controls SET epoch = $2 + 1, failures = 0, retry_at = now()
             WHERE region = $1 AND epoch < $2",
        )
        .bind(region.as_str())
        .bind(seen.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Gives one region, or all, its next epoch, and with it the right to change what was said there until the
/// transaction ends.
async fn next_epochs(
    connection: &mut PgConnection,
    region: Option<&RegionName>,
) -> Result<Vec<String>, Error> {
    let regions = sqlx::query_scalar(
        "INSERT INTO region_controls AS known (region)
         SELECT name FROM regions WHERE $1::text IS NULL OR name = $1 ORDER BY name
         ON CONFLICT (region) DO UPDATE SET epoch = known.epoch + 1, failures = 0, retry_at = now()
         RETURNING region",
    )
    .bind(region.map(RegionName::as_str))
    .fetch_all(connection)
    .await?;
    Ok(regions)
}

/// Drops what was said about artifacts that no service is ordered to have any more, and what says nothing.
async fn forget_unordered(connection: &mut PgConnection, regions: &[String]) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM distribution_controls AS said
         WHERE region = ANY ($1)
           AND (hold = 'NONE' AND preference = 0 OR NOT EXISTS (
                SELECT FROM outbox WHERE outbox.region = said.region AND outbox.artifact = said.artifact))",
    )
    .bind(regions)
    .execute(connection)
    .await?;
    Ok(())
}

/// An artifact that is deployed again is fetched again, wherever it was aborted.
pub(super) async fn lift_aborts(connection: &mut PgConnection, artifact: &ArtifactId) -> Result<(), Error> {
    sqlx::query(
        "WITH lifted AS (
             UPDATE distribution_controls SET hold = 'NONE', changed_at = now()
             WHERE artifact = $1 AND hold = 'ABORTED' RETURNING region
         )
         UPDATE region_controls SET epoch = epoch + 1, failures = 0, retry_at = now()
         FROM lifted WHERE region_controls.region = lifted.region",
    )
    .bind(artifact.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
