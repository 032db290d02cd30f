//! Moving the cursors of a deployment in flight, and its states.
//!
//! Whoever moves says which epoch of the service they saw: each change makes a new one, so of two who decide about the
//! same picture one is refused, however late it comes.

use super::{
    Builds,
    deployments::{DeploymentRow, enter_state, lock},
    roll_back, watch,
};
use crate::{Error, Hint, hints, row};
use model::rollout::{Order, Wave};
use model::{Cursor, DeploymentId, DeploymentState, Epoch, RegionName, ServiceName};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// The columns `cursor_order` and `cursor_hosts`; `None` where there is no row.
pub(super) fn cursor_of(row: &PgRow) -> sqlx::Result<Option<Cursor>> {
    let order: Option<&str> = row.try_get("cursor_order")?;
    let Some(order) = order else { return Ok(None) };
    let order = match order {
        "zones" => Order::Zones,
        _ => Order::Hash,
    };
    Ok(Some(Cursor {
        order,
        hosts: row::size_option(row, "cursor_hosts")?,
    }))
}

const fn order_word(order: Order) -> &'static str {
    match order {
        Order::Hash => "hash",
        Order::Zones => "zones",
    }
}

impl Builds {
    /// Gives more hosts of these regions their turn; `false`, with nothing written, when the deployment is not in WAVE or
    /// the service was changed since `seen` was read. `spends_step` takes one of the steps that an engineer allowed.
    pub async fn move_cursors(
        &self,
        seen: &DeploymentRow,
        cursors: &[(RegionName, Cursor)],
        spends_step: bool,
    ) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let Some(epoch) = next_epoch(&mut transaction, &seen.service, seen.service_epoch).await? else {
            return Ok(false);
        };
        if lock(&mut transaction, seen.id).await?.state != DeploymentState::Wave {
            return Ok(false);
        }
        for (region, cursor) in cursors {
            sqlx::query(
                "UPDATE outbox SET epoch = $3, cursor_order = $4, cursor_hosts = $5, written_at = now(),
                                   failures = 0, retry_at = now()
                 WHERE deployment = $1 AND region = $2 AND cursor_hosts < coalesce($5, 9223372036854775807)",
            )
            .bind(seen.id.0)
            .bind(region.as_str())
            .bind(epoch.0)
            .bind(order_word(cursor.order))
            .bind(cursor.hosts.map(row::signed))
            .execute(&mut *transaction)
            .await?;
        }
        if spends_step {
            spend_step(&mut transaction, seen.id).await?;
        }
        hints::send(&mut transaction, Hint::Deployment(seen.id)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Has the hosts of these regions whose turn has not come keep the release warm; `false`, with nothing written, as
    /// [`Builds::move_cursors`].
    pub async fn warm_regions(
        &self,
        seen: &DeploymentRow,
        regions: &[RegionName],
        spends_step: bool,
    ) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let Some(epoch) = next_epoch(&mut transaction, &seen.service, seen.service_epoch).await? else {
            return Ok(false);
        };
        if lock(&mut transaction, seen.id).await?.state != DeploymentState::Wave {
            return Ok(false);
        }
        let regions: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
        sqlx::query(
            "UPDATE outbox SET epoch = $3, warm = true, written_at = now(), failures = 0, retry_at = now()
             WHERE deployment = $1 AND region = ANY($2) AND NOT warm",
        )
        .bind(seen.id.0)
        .bind(regions)
        .bind(epoch.0)
        .execute(&mut *transaction)
        .await?;
        if spends_step {
            spend_step(&mut transaction, seen.id).await?;
        }
        hints::send(&mut transaction, Hint::Deployment(seen.id)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Moves a deployment to another state and wave; `false`, with nothing written, when it is not in the state that
    /// was seen, or the service was changed since. `waves` are kept with it. One that succeeds gives everybody their
    /// turn; one that ends otherwise leaves those who have the release with it, and nobody else gets it.
    pub async fn advance_deployment(
        &self,
        seen: &DeploymentRow,
        next: DeploymentState,
        (wave, waves): (usize, &[Wave]),
        reason: &str,
    ) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let Some(epoch) = next_epoch(&mut transaction, &seen.service, seen.service_epoch).await? else {
            return Ok(false);
        };
        if lock(&mut transaction, seen.id).await?.state != seen.state {
            return Ok(false);
        }
        sqlx::query("UPDATE deployments SET wave = $2, waves = $3 WHERE id = $1")
            .bind(seen.id.0)
            .bind(i32::try_from(wave).unwrap_or(i32::MAX))
            .bind(Json(waves))
            .execute(&mut *transaction)
            .await?;
        enter_state(&mut transaction, seen.id, next, Some(reason)).await?;
        if next.is_terminal() {
            end(&mut transaction, seen.id, next, epoch).await?;
        }
        hints::send(&mut transaction, Hint::Deployment(seen.id)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn spend_step(connection: &mut PgConnection, id: DeploymentId) -> Result<(), Error> {
    sqlx::query("UPDATE deployments SET steps_allowed = greatest(steps_allowed - 1, 0) WHERE id = $1")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// What follows from a deployment's end for its regions, and for the deployment that it rolls back.
pub(super) async fn end(
    connection: &mut PgConnection,
    id: DeploymentId,
    state: DeploymentState,
    epoch: Epoch,
) -> Result<(), Error> {
    let everybody = state == DeploymentState::Succeeded;
    if everybody {
        watch::begin(connection, id).await?;
    }
    sqlx::query(
        "UPDATE outbox SET epoch = $2, cursor_hosts = CASE WHEN $3 THEN NULL ELSE 0 END, warm = false, written_at = now(),
                           failures = 0, retry_at = now()
         WHERE deployment = $1",
    )
    .bind(id.0)
    .bind(epoch.0)
    .bind(everybody)
    .execute(&mut *connection)
    .await?;
    roll_back::ended(connection, id, state).await
}

/// Takes the service's next epoch, and with it the right to change the service until the transaction ends. `None` when
/// somebody has changed it since `seen`.
pub(super) async fn next_epoch(
    connection: &mut PgConnection,
    service: &ServiceName,
    seen: Epoch,
) -> Result<Option<Epoch>, Error> {
    let epoch: Option<i64> = sqlx::query_scalar(
        "UPDATE service_counters SET epoch = epoch + 1 WHERE service = $1 AND epoch = $2 RETURNING epoch",
    )
    .bind(service.as_str())
    .bind(seen.0)
    .fetch_optional(connection)
    .await?;
    Ok(epoch.map(Epoch))
}

/// Takes the service's next epoch whatever was seen.
pub(super) async fn any_epoch(connection: &mut PgConnection, id: DeploymentId) -> Result<Epoch, Error> {
    let epoch = sqlx::query_scalar(
        "UPDATE service_counters SET epoch = epoch + 1
         WHERE service = (SELECT service FROM deployments WHERE id = $1) RETURNING epoch",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?
    .ok_or(Error::UnknownDeployment(id))?;
    Ok(Epoch(epoch))
}
