//! Deployments and their states.

use super::Builds;
use crate::{Error, Hint, PAGE_ROWS_MAX, ROWS_MAX, hints, row};
use jiff::Timestamp;
use model::{
    Actor, ArtifactId, BuildId, DeploymentId, DeploymentState, ReleaseNumber, ServiceName, ServiceSpec,
};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::time::Duration;

/// The longest stored reason, in bytes.
const REASON_LENGTH_MAX: usize = 1_000;

/// A deployment as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Which deployment.
    pub id: DeploymentId,
    /// Of which service.
    pub service: ServiceName,
    /// The release that it made.
    pub release: ReleaseNumber,
    /// The build whose artifact it is.
    pub build: BuildId,
    /// The release's bytes.
    pub artifact: ArtifactId,
    /// How the release runs.
    pub spec: ServiceSpec,
    /// Who asked.
    pub actor: Actor,
    /// Where it stands.
    pub state: DeploymentState,
    /// Why it is FAILED, SUPERSEDED or CANCELLED.
    pub reason: Option<String>,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// How long ago that was, by the database's clock.
    pub in_state: Duration,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// Whether it is in flight and that moment has passed, by the database's clock.
    pub overdue: bool,
}

impl FromRow<'_, PgRow> for DeploymentRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let in_state_seconds: f64 = row.try_get("in_state_seconds")?;
        let Json(spec) = row.try_get("spec")?;
        Ok(Self {
            id: DeploymentId(row.try_get("id")?),
            service: row::word(row, "service")?,
            release: ReleaseNumber(row.try_get("release")?),
            build: BuildId(row.try_get("build")?),
            artifact: row::word(row, "artifact")?,
            spec,
            actor: row::word(row, "actor")?,
            state: row::word(row, "state")?,
            reason: row.try_get("reason")?,
            created_at: row::time(row, "created_at")?,
            changed_at: row::time(row, "changed_at")?,
            in_state: Duration::try_from_secs_f64(in_state_seconds).unwrap_or_default(),
            expires_at: row::time(row, "expires_at")?,
            overdue: row.try_get("overdue")?,
        })
    }
}

/// The query for [`DeploymentRow`]s, with the given end.
macro_rules! deployment_rows {
    ($end:literal) => {
        concat!(
            "SELECT deployments.*,
                    extract(epoch FROM clock_timestamp() - deployments.changed_at)::float8
                    AS in_state_seconds,
                    deployments.state IN ('PENDING', 'STAGING', 'ACTIVATING')
                    AND deployments.expires_at <= clock_timestamp() AS overdue
             FROM deployments ",
            $end
        )
    };
}
pub(super) use deployment_rows;

/// What a request to cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The deployment is CANCELLED now. Hosts keep what they run.
    Now,
    /// It had ended before, in this state, and stays there.
    Already(DeploymentState),
}

impl Builds {
    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRow>, Error> {
        let deployment = sqlx::query_as(deployment_rows!("WHERE deployments.id = $1"))
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(deployment)
    }

    /// Deployments, newest first, at most [`PAGE_ROWS_MAX`]; those older than `before` where it is given.
    pub async fn deployments(
        &self,
        limit: u32,
        before: Option<DeploymentId>,
    ) -> Result<Vec<DeploymentRow>, Error> {
        let deployments = sqlx::query_as(deployment_rows!(
            "WHERE $1::uuid IS NULL OR deployments.id < $1 ORDER BY deployments.id DESC LIMIT $2"
        ))
        .bind(before.map(|id| id.0))
        .bind(row::limit(limit, PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(deployments)
    }

    /// Every deployment in flight, oldest first, at most [`ROWS_MAX`].
    pub async fn deployments_in_flight(&self) -> Result<Vec<DeploymentRow>, Error> {
        let deployments = sqlx::query_as(deployment_rows!(
            "WHERE deployments.state IN ('PENDING', 'STAGING', 'ACTIVATING')
             ORDER BY deployments.id LIMIT $1"
        ))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(deployments)
    }

    /// Moves a deployment from `expected` to `next`; `false`, with nothing written, when it is not at
    /// `expected` any more.
    pub async fn set_deployment_state(
        &self,
        id: DeploymentId,
        expected: DeploymentState,
        next: DeploymentState,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        if lock_state(&mut transaction, id).await? != expected {
            return Ok(false);
        }
        enter_state(&mut transaction, id, next, reason).await?;
        hints::send(&mut transaction, Hint::Deployment(id)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Cancels a deployment that is in flight.
    ///
    /// Fails with [`Error::UnknownDeployment`].
    pub async fn cancel_deployment(&self, id: DeploymentId, actor: &Actor) -> Result<Cancelled, Error> {
        let mut transaction = self.pool.begin().await?;
        let state = lock_state(&mut transaction, id).await?;
        if state.is_terminal() {
            return Ok(Cancelled::Already(state));
        }
        let reason = format!("cancelled by {actor}");
        enter_state(&mut transaction, id, DeploymentState::Cancelled, Some(&reason)).await?;
        hints::send(&mut transaction, Hint::Deployment(id)).await?;
        transaction.commit().await?;
        Ok(Cancelled::Now)
    }
}

/// Locks a deployment's row and returns its state.
pub(super) async fn lock_state(
    connection: &mut PgConnection,
    id: DeploymentId,
) -> Result<DeploymentState, Error> {
    let state: String = sqlx::query_scalar("SELECT state FROM deployments WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id.0)
        .fetch_optional(connection)
        .await?
        .ok_or(Error::UnknownDeployment(id))?;
    let state = state
        .parse()
        .map_err(|reason| sqlx::Error::Decode(Box::new(reason)))?;
    Ok(state)
}

/// Writes the state of a deployment whose row the transaction holds, and when it was entered.
pub(super) async fn enter_state(
    connection: &mut PgConnection,
    id: DeploymentId,
    state: DeploymentState,
    reason: Option<&str>,
) -> Result<(), Error> {
    let reason = reason.map(|reason| &reason[..reason.floor_char_boundary(REASON_LENGTH_MAX)]);
    sqlx::query("UPDATE deployments SET state = $2, reason = $3, changed_at = now() WHERE id = $1")
        .bind(id.0)
        .bind(state.as_str())
        .bind(reason)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO deployment_states (deployment, state, reason) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(id.0)
    .bind(state.as_str())
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}
