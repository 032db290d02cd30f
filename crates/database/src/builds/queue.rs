//! A deployment that waits for another of its service to end. One at most of a service waits, as one at most is in
//! flight; both are unique indexes.

use super::{
    Builds, DeploymentRow,
    confirm::{ask_every_region, layers, read},
    deploy::running_configuration,
    deployments::{deployment_rows, enter_state, is_in_flight},
    governed,
    progress::keep_final_counts,
};
use crate::{Error, Hint, ROWS_MAX, hints, row};
use model::{DeploymentId, DeploymentState, Selector, ServiceName};
use policy::Subject;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use uuid::Uuid;

/// A deployment that is under way, or waits.
pub(super) struct Other {
    pub(super) id: DeploymentId,
    /// Whom it touches.
    pub(super) subject: Subject,
}

impl FromRow<'_, PgRow> for Other {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let id: Uuid = row.try_get("id")?;
        let selector: Selector = row::word(row, "selector")?;
        Ok(Self {
            id: DeploymentId(id),
            subject: Subject::of(row::word(row, "service")?, &selector),
        })
    }
}

impl Builds {
    /// Every deployment that waits for another to end, oldest first, at most [`ROWS_MAX`].
    pub async fn queued_deployments(&self) -> Result<Vec<DeploymentRow>, Error> {
        let queued = sqlx::query_as(deployment_rows!(
            "WHERE deployments.state = 'PENDING' AND deployments.started_at IS NULL
             ORDER BY deployments.id LIMIT $1"
        ))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(queued)
    }

    /// Begins a deployment that waited, if nothing of its service is in flight any more and policies allow it now; it is
    /// CANCELLED when it has waited for too long. Whether it began. Twice begun is begun once.
    ///
    /// Fails with [`Error::Denied`] while a policy forbids it.
    pub async fn begin_queued(&self, waiting: &DeploymentRow) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        // The service's counters are locked before the deployment, as everywhere.
        let epoch: i64 = sqlx::query_scalar(
            "UPDATE service_counters SET epoch = epoch + 1 WHERE service = $1 RETURNING epoch",
        )
        .bind(waiting.service.as_str())
        .fetch_one(&mut *transaction)
        .await?;
        let next = queued(&mut transaction, &waiting.service).await?;
        if next.map(|next| next.id) != Some(waiting.id) {
            return Ok(false);
        }
        if waiting.overdue {
            let reason = "it has waited for too long";
            enter_state(
                &mut transaction,
                waiting.id,
                DeploymentState::Cancelled,
                Some(reason),
            )
            .await?;
            hints::send(&mut transaction, Hint::Deployment(waiting.id)).await?;
            transaction.commit().await?;
            return Ok(false);
        }
        if in_flight(&mut transaction, &waiting.service).await?.is_some() {
            return Ok(false);
        }
        governed::allow_beginning(&mut transaction, waiting).await?;
        begin(&mut transaction, waiting, epoch).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn begin(connection: &mut PgConnection, waiting: &DeploymentRow, epoch: i64) -> Result<(), Error> {
    keep_final_counts(connection, &waiting.service).await?;
    let below = layers(connection, &waiting.service).await?;
    // Where no version was named it is that of what runs now, not of what ran when it was confirmed.
    let configuration = match &waiting.configuration.version {
        Some(_) => waiting.configuration.clone(),
        None => running_configuration(&below),
    };
    sqlx::query(
        "UPDATE deployments SET started_at = clock_timestamp(), epoch = $2, configuration = $3,
                                expires_at = now() + make_interval(secs => $4)
         WHERE id = $1",
    )
    .bind(waiting.id.0)
    .bind(epoch)
    .bind(Json(&configuration))
    .bind(f64::from(waiting.policy.deadline_seconds))
    .execute(&mut *connection)
    .await?;
    let reason = "nothing of the service is in flight any more";
    enter_state(connection, waiting.id, DeploymentState::Pending, Some(reason)).await?;
    let row = read(connection, waiting.id).await?;
    ask_every_region(connection, &row, &below).await?;
    hints::send(connection, Hint::Deployment(waiting.id)).await?;
    Ok(())
}

/// Locks and names the deployment of a service that is in flight.
pub(super) async fn in_flight(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<Option<Other>, Error> {
    let moving = sqlx::query_as(concat!(
        "SELECT id, service, selector FROM deployments WHERE service = $1 AND ",
        is_in_flight!(),
        " FOR NO KEY UPDATE"
    ))
    .bind(service.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(moving)
}

/// Locks and names the deployment of a service that waits.
pub(super) async fn queued(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<Option<Other>, Error> {
    let waiting = sqlx::query_as(
        "SELECT id, service, selector FROM deployments
         WHERE service = $1 AND state = 'PENDING' AND started_at IS NULL FOR NO KEY UPDATE",
    )
    .bind(service.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(waiting)
}

/// Keeps in words for what a deployment waits, and returns them.
pub(super) async fn wait_for(
    connection: &mut PgConnection,
    id: DeploymentId,
    other: DeploymentId,
) -> Result<String, Error> {
    let words = format!("waits for deployment {other} to end");
    sqlx::query("UPDATE deployments SET waits_for = $2 WHERE id = $1")
        .bind(id.0)
        .bind(&words)
        .execute(connection)
        .await?;
    Ok(words)
}
