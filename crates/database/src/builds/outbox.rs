//! What regions should be told, and whether they were.

use super::{Builds, cursors::cursor_of};
use crate::{Error, Hint, ROWS_MAX, hints, row};
use model::region_service::LAYERS_MAX;
use model::{Cursor, DeploymentId, Epoch, Layer, RegionName, RegionService, ReleaseNumber};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};

/// Something that a region should be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Which region.
    pub region: RegionName,
    /// What it should be told.
    pub desired: RegionService,
    /// How often that has failed.
    pub failures: u32,
}

impl FromRow<'_, PgRow> for OutboxRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (Json(spec), Json(configuration)) = (row.try_get("spec")?, row.try_get("configuration")?);
        let Json(below): Json<Vec<Layer>> = row.try_get("below")?;
        let failures: i32 = row.try_get("failures")?;
        let deployment = DeploymentId(row.try_get("deployment")?);
        let newest = Layer {
            deployment,
            epoch: Epoch(row.try_get("born_in")?),
            release: ReleaseNumber(row.try_get("release")?),
            artifact: row::word(row, "artifact")?,
            spec,
            configuration,
            selector: row::word(row, "selector")?,
            cursor: cursor_of(row)?.unwrap_or(Cursor::NOBODY),
            warm: row.try_get("warm")?,
        };
        let layers = std::iter::once(newest).chain(below).take(LAYERS_MAX);
        Ok(Self {
            deployment,
            region: row::word(row, "region")?,
            desired: RegionService {
                service: row::word(row, "service")?,
                epoch: Epoch(row.try_get("epoch")?),
                layers: layers.collect(),
            },
            failures: u32::try_from(failures).unwrap_or(0),
        })
    }
}

impl OutboxRow {
    /// Whether any host has its turn.
    fn activates(&self) -> bool {
        let newest = self.desired.newest();
        newest.is_some_and(|layer| layer.cursor.hosts != Some(0))
    }
}

impl Builds {
    /// What regions should be told now, oldest first: only regions that hold a VERIFIED replica, and of a
    /// deployment that was given up only those that were told of it before, so that nobody else gets it there.
    pub async fn due_outbox(&self, limit: u32) -> Result<Vec<OutboxRow>, Error> {
        let rows = sqlx::query_as(
            "SELECT outbox.*, deployments.release, deployments.spec, deployments.configuration,
                    deployments.selector,
                    deployments.epoch AS born_in
             FROM outbox
             JOIN deployments ON deployments.id = outbox.deployment
             JOIN replicas ON replicas.artifact = outbox.artifact AND replicas.region = outbox.region
             WHERE outbox.delivered_epoch < outbox.epoch AND outbox.retry_at <= now()
               AND replicas.state = 'VERIFIED'
               AND (deployments.state NOT IN ('ROLLED_BACK', 'FAILED', 'CANCELLED', 'SUPERSEDED')
                    OR outbox.delivered_epoch >= deployments.epoch)
             ORDER BY outbox.written_at LIMIT $1",
        )
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Records that a region holds this desired state, or had it already. Doing it twice changes nothing.
    pub async fn outbox_delivered(&self, row: &OutboxRow) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        // Whoever changes the service locks this first and rows of both tables below in another order.
        sqlx::query("SELECT FROM service_counters WHERE service = $1 FOR SHARE")
            .bind(row.desired.service.as_str())
            .execute(&mut *transaction)
            .await?;
        let recorded = sqlx::query(
            "UPDATE outbox SET delivered_epoch = $3, failures = 0
             WHERE service = $1 AND region = $2 AND delivered_epoch < $3 AND epoch >= $3",
        )
        .bind(row.desired.service.as_str())
        .bind(row.region.as_str())
        .bind(row.desired.epoch.0)
        .execute(&mut *transaction)
        .await?;
        if recorded.rows_affected() == 0 {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO deployment_regions AS known (deployment, region, stage_told_at, activate_told_at)
             VALUES ($1, $2, CASE WHEN $3 THEN NULL ELSE now() END, CASE WHEN $3 THEN now() END)
             ON CONFLICT (deployment, region) DO UPDATE
             SET stage_told_at = coalesce(known.stage_told_at, excluded.stage_told_at),
                 activate_told_at = coalesce(known.activate_told_at, excluded.activate_told_at)",
        )
        .bind(row.deployment.0)
        .bind(row.region.as_str())
        .bind(row.activates())
        .execute(&mut *transaction)
        .await?;
        hints::send(&mut transaction, Hint::Deployment(row.deployment)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Records that a region could not be told. It is due again after a wait that doubles with each
    /// failure, from half a second to 30 seconds, for ever.
    pub async fn outbox_failed(&self, row: &OutboxRow) -> Result<(), Error> {
        sqlx::query(
            "UPDATE outbox
             SET failures = failures + 1,
                 retry_at = now() + make_interval(secs => least(0.5 * power(2, least(failures, 20)), 30))
             WHERE service = $1 AND region = $2 AND epoch = $3",
        )
        .bind(row.desired.service.as_str())
        .bind(row.region.as_str())
        .bind(row.desired.epoch.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Heals the case that a region holds a larger epoch than was ever given out here, as after this
    /// database was restored from a backup: what the service should run is told again to every region,
    /// under an epoch above `seen`. Does nothing when this database knows `seen`.
    pub async fn outbox_overtaken(&self, row: &OutboxRow, seen: Epoch) -> Result<(), Error> {
        sqlx::query(
            "WITH raised AS (
                 UPDATE service_counters SET epoch = $2 + 1 WHERE service = $1 AND epoch < $2
                 RETURNING service, epoch
             ), reborn AS (
                 UPDATE deployments SET epoch = raised.epoch FROM raised, outbox
                 WHERE outbox.service = raised.service AND deployments.id = outbox.deployment
             )
             UPDATE outbox SET epoch = raised.epoch, written_at = now(), failures = 0, retry_at = now()
             FROM raised WHERE outbox.service = raised.service",
        )
        .bind(row.desired.service.as_str())
        .bind(seen.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
