//! Deployments and their states.

use super::Builds;
use crate::{Error, PAGE_ROWS_MAX, ROWS_MAX, row};
use jiff::Timestamp;
use model::rollout::Wave;
use model::{
    Actor, ArtifactId, BuildId, Configuration, DeploymentId, DeploymentState, Epoch, ReleaseNumber,
    RolloutPolicy, Selector, ServiceName, ServiceSpec,
};
use policy::Subject;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::time::Duration;

/// The longest stored reason, in bytes.
const REASON_LENGTH_MAX: usize = 1_000;

/// What a deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentKind {
    /// A release that is new.
    Rollout,
    /// One that ran before, as a release of its own.
    Rollback {
        /// The deployment whose release it takes off the hosts.
        of: Option<DeploymentId>,
    },
}

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
    /// With which configuration.
    pub configuration: Configuration,
    /// Which instances it is for.
    pub selector: Selector,
    /// What it is for.
    pub kind: DeploymentKind,
    /// How it moves.
    pub policy: RolloutPolicy,
    /// Its waves; none before the first begins.
    pub waves: Vec<Wave>,
    /// The wave that it is in, counted from 0.
    pub wave: usize,
    /// Who asked.
    pub actor: Actor,
    /// Where it stands.
    pub state: DeploymentState,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// What it waits for, in words, while it is in flight.
    pub waits_for: Option<String>,
    /// The state that it goes on in, of a PAUSED one.
    pub paused_in: Option<DeploymentState>,
    /// Steps that an engineer allowed and that were not taken yet.
    pub steps_allowed: u32,
    /// The service's epoch when it was confirmed.
    pub epoch: Epoch,
    /// The service's epoch now. Whoever changes what regions are told says which one they saw.
    pub service_epoch: Epoch,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When its turn came; never, of one that waits, or has waited, for another of its service to end.
    pub started_at: Option<Timestamp>,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// How long ago that was, by the database's clock.
    pub in_state: Duration,
    /// Until when its release is watched, once it has succeeded; in the past once that is over.
    pub watched_until: Option<Timestamp>,
    /// What was seen meanwhile that should not be, where nothing was done about it by itself.
    pub alarm: Option<String>,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// Whether it is in flight and that moment has passed, by the database's clock.
    pub overdue: bool,
}

impl FromRow<'_, PgRow> for DeploymentRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let in_state_seconds: f64 = row.try_get("in_state_seconds")?;
        let (Json(spec), Json(configuration)) = (row.try_get("spec")?, row.try_get("configuration")?);
        let (Json(policy), Json(waves)) = (row.try_get("policy")?, row.try_get("waves")?);
        let (wave, steps_allowed): (i32, i32) = (row.try_get("wave")?, row.try_get("steps_allowed")?);
        Ok(Self {
            id: DeploymentId(row.try_get("id")?),
            service: row::word(row, "service")?,
            release: ReleaseNumber(row.try_get("release")?),
            build: BuildId(row.try_get("build")?),
            artifact: row::word(row, "artifact")?,
            spec,
            configuration,
            selector: row::word(row, "selector")?,
            kind: kind_of(row)?,
            policy,
            waves,
            wave: usize::try_from(wave).unwrap_or(0),
            actor: row::word(row, "actor")?,
            state: row::word(row, "state")?,
            reason: row.try_get("reason")?,
            waits_for: row.try_get("waits_for")?,
            paused_in: row::word_option(row, "paused_in")?,
            steps_allowed: u32::try_from(steps_allowed).unwrap_or(0),
            epoch: Epoch(row.try_get("epoch")?),
            service_epoch: Epoch(row.try_get("service_epoch")?),
            created_at: row::time(row, "created_at")?,
            started_at: row::time_option(row, "started_at")?,
            changed_at: row::time(row, "changed_at")?,
            in_state: Duration::try_from_secs_f64(in_state_seconds).unwrap_or_default(),
            watched_until: row::time_option(row, "watched_until")?,
            alarm: row.try_get("alarm")?,
            expires_at: row::time(row, "expires_at")?,
            overdue: row.try_get("overdue")?,
        })
    }
}

impl DeploymentRow {
    /// What it touches.
    pub(super) fn subject(&self) -> Subject {
        Subject::of(self.service.clone(), &self.selector)
    }

    /// Whether it waits for another deployment of its service to end.
    pub fn is_queued(&self) -> bool {
        self.state == DeploymentState::Pending && self.started_at.is_none()
    }
}

fn kind_of(row: &PgRow) -> sqlx::Result<DeploymentKind> {
    let of: Option<uuid::Uuid> = row.try_get("rollback_of")?;
    Ok(match row.try_get("kind")? {
        "ROLLBACK" => DeploymentKind::Rollback {
            of: of.map(DeploymentId),
        },
        _ => DeploymentKind::Rollout,
    })
}

/// Whether a row of `deployments` may move hosts: one at most of a service.
macro_rules! is_in_flight {
    () => {
        "deployments.state IN ('PENDING', 'PRECHECK', 'STAGING', 'WAVE', 'BAKE', 'PAUSED')
         AND deployments.started_at IS NOT NULL"
    };
}
pub(super) use is_in_flight;

/// The query for [`DeploymentRow`]s, with the given end.
macro_rules! deployment_rows {
    ($end:literal) => {
        concat!(
            "SELECT deployments.*, service_counters.epoch AS service_epoch,
                    extract(epoch FROM clock_timestamp() - deployments.changed_at)::float8
                    AS in_state_seconds,
                    deployments.state IN ('PENDING', 'PRECHECK', 'STAGING', 'WAVE', 'BAKE', 'PAUSED')
                    AND deployments.expires_at <= clock_timestamp() AS overdue
             FROM deployments JOIN service_counters ON service_counters.service = deployments.service ",
            $end
        )
    };
}
pub(super) use deployment_rows;

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
        let deployments = sqlx::query_as(concat!(
            deployment_rows!("WHERE "),
            is_in_flight!(),
            " ORDER BY deployments.id LIMIT $1"
        ))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(deployments)
    }

    /// Keeps in words what a deployment in flight waits for.
    pub async fn keep_waits_for(&self, id: DeploymentId, words: &str) -> Result<(), Error> {
        sqlx::query("UPDATE deployments SET waits_for = $2 WHERE id = $1 AND waits_for IS DISTINCT FROM $2")
            .bind(id.0)
            .bind(cut(words))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// A deployment whose row the transaction holds.
pub(super) struct Locked {
    pub(super) id: DeploymentId,
    pub(super) service: ServiceName,
    pub(super) selector: Selector,
    pub(super) state: DeploymentState,
    started: bool,
}

impl Locked {
    /// Whether it may move hosts.
    pub(super) fn is_in_flight(&self) -> bool {
        self.state.is_in_flight() && self.started
    }
}

/// Locks a deployment's row.
pub(super) async fn lock(connection: &mut PgConnection, id: DeploymentId) -> Result<Locked, Error> {
    let row = sqlx::query(
        "SELECT service, selector, state, started_at IS NOT NULL AS started FROM deployments
         WHERE id = $1 FOR NO KEY UPDATE",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?
    .ok_or(Error::UnknownDeployment(id))?;
    Ok(Locked {
        id,
        service: row::word(&row, "service")?,
        selector: row::word(&row, "selector")?,
        state: row::word(&row, "state")?,
        started: row.try_get("started")?,
    })
}

/// Writes the state of a deployment whose row the transaction holds, and when it was entered.
pub(super) async fn enter_state(
    connection: &mut PgConnection,
    id: DeploymentId,
    state: DeploymentState,
    reason: Option<&str>,
) -> Result<(), Error> {
    let reason = reason.map(cut);
    sqlx::query(
        "UPDATE deployments SET state = $2, reason = $3, waits_for = NULL, changed_at = now() WHERE id = $1",
    )
    .bind(id.0)
    .bind(state.as_str())
    .bind(reason)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO deployment_states (deployment, state, reason, wave)
         SELECT id, $2, $3, wave FROM deployments WHERE id = $1",
    )
    .bind(id.0)
    .bind(state.as_str())
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}

fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_LENGTH_MAX)]
}
