//! When each thing of a deployment happened.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::{DeploymentId, DeploymentState, RegionName};
use sqlx::FromRow;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// A deployment's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Every state it was in, in order; the first is its confirmation.
    pub states: Vec<StateEntered>,
    /// Its way through each region, by region.
    pub regions: Vec<RegionEvents>,
}

/// A state that a deployment entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntered {
    /// Which state.
    pub state: DeploymentState,
    /// Of WAVE and BAKE: which wave, counted from 0.
    pub wave: usize,
    /// When.
    pub at: Timestamp,
    /// Why, where there is a reason.
    pub reason: Option<String>,
}

/// A deployment's way through one region. Each moment is absent until it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionEvents {
    /// Which region.
    pub region: RegionName,
    /// When the copy of the artifact began; possibly before the deployment.
    pub copying_at: Option<Timestamp>,
    /// When the replica was VERIFIED; possibly before the deployment.
    pub verified_at: Option<Timestamp>,
    /// When the region was told to stage it.
    pub stage_told_at: Option<Timestamp>,
    /// When the first host held every byte.
    pub first_staged_at: Option<Timestamp>,
    /// When the last host so far did.
    pub last_staged_at: Option<Timestamp>,
    /// When the region was told to run it.
    pub activate_told_at: Option<Timestamp>,
    /// When it was first healthy on a host.
    pub first_healthy_at: Option<Timestamp>,
    /// When it was first healthy on the last host so far.
    pub last_healthy_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for StateEntered {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let wave: i32 = row.try_get("wave")?;
        Ok(Self {
            state: row::word(row, "state")?,
            wave: usize::try_from(wave).unwrap_or(0),
            at: row::time(row, "entered_at")?,
            reason: row.try_get("reason")?,
        })
    }
}

impl FromRow<'_, PgRow> for RegionEvents {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            region: row::word(row, "name")?,
            copying_at: row::time_option(row, "started_at")?,
            verified_at: row::time_option(row, "verified_at")?,
            stage_told_at: row::time_option(row, "stage_told_at")?,
            first_staged_at: row::time_option(row, "first_staged_at")?,
            last_staged_at: row::time_option(row, "last_staged_at")?,
            activate_told_at: row::time_option(row, "activate_told_at")?,
            first_healthy_at: row::time_option(row, "first_healthy_at")?,
            last_healthy_at: row::time_option(row, "last_healthy_at")?,
        })
    }
}

impl Builds {
    /// A deployment's timeline.
    ///
    /// Fails with [`Error::UnknownDeployment`].
    pub async fn events(&self, id: DeploymentId) -> Result<Events, Error> {
        let states: Vec<StateEntered> = sqlx::query_as(
            "SELECT state, wave, reason, entered_at FROM deployment_states WHERE deployment = $1
             ORDER BY number LIMIT $2",
        )
        .bind(id.0)
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        if states.is_empty() {
            return Err(Error::UnknownDeployment(id));
        }
        let regions = sqlx::query_as(
            "SELECT regions.name, replicas.started_at, replicas.verified_at, deployment_regions.*
             FROM regions
             JOIN deployments ON deployments.id = $1
             LEFT JOIN replicas ON replicas.artifact = deployments.artifact
                               AND replicas.region = regions.name
             LEFT JOIN deployment_regions ON deployment_regions.deployment = deployments.id
                                         AND deployment_regions.region = regions.name
             ORDER BY regions.name LIMIT $2",
        )
        .bind(id.0)
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(Events { states, regions })
    }
}
