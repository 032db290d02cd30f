//! The way back: the last release that succeeded, as a new release, from bits that are on the hosts already.

use super::{
    Builds, DeploymentRow,
    deploy::{Release, confirm, layers, next_numbers},
    deployments::{DeploymentKind, deployment_rows, enter_state},
    governed,
    progress::keep_final_counts,
};
use crate::{Error, row};
use jiff::Timestamp;
use model::region_service::LAYERS_MAX;
use model::service::Overlap;
use model::{
    Actor, DeploymentId, DeploymentState, ReleaseNumber, RolloutPolicy, ServiceName, ServiceSpec, Share,
};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// How much of a fleet restarts at once for a rollback of a service whose releases don't overlap on a host; hosts that
/// still run the same bytes change nothing and don't count.
const RESTARTED_AT_ONCE: Share = Share::percent(50);

/// A wish to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollBack {
    /// Which service.
    pub service: ServiceName,
    /// To which release; to the last that succeeded where none is named.
    pub to: Option<ReleaseNumber>,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// Only while this deployment is in flight: of two controllers one is too late.
    pub only_from: Option<DeploymentId>,
}

/// A service that nothing is deployed to automatically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// Which service.
    pub service: ServiceName,
    /// Why.
    pub reason: String,
    /// By whose rollback.
    pub actor: Actor,
    /// Since when.
    pub since: Timestamp,
}

impl FromRow<'_, PgRow> for HoldRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            service: row::word(row, "service")?,
            reason: row.try_get("reason")?,
            actor: row::word(row, "actor")?,
            since: row::time(row, "since")?,
        })
    }
}

impl Builds {
    /// Makes an earlier release the service's next one, ahead of whatever is in flight, and holds automatic deployments
    /// until somebody lifts that.
    ///
    /// Fails with [`Error::UnknownService`], [`Error::NothingToRollBackTo`], and [`Error::Overtaken`] when
    /// [`RollBack::only_from`] is not in flight any more.
    pub async fn roll_back(&self, wish: &RollBack) -> Result<DeploymentRow, Error> {
        let mut transaction = self.pool.begin().await?;
        let numbers = next_numbers(&mut transaction, &wish.service).await?;
        governed::allow_roll_back(&mut transaction, wish).await?;
        let current = current(&mut transaction, &wish.service).await?;
        if wish.only_from.is_some() && current.as_ref().map(|current| current.id) != wish.only_from {
            return Err(Error::Overtaken(wish.service.clone()));
        }
        let target = target(&mut transaction, wish, current.as_ref()).await?;
        let target = target.ok_or_else(|| Error::NothingToRollBackTo(wish.service.clone()))?;
        keep_final_counts(&mut transaction, &wish.service, numbers.previous()).await?;
        if let Some(current) = current.as_ref().filter(|current| current.state.is_in_flight()) {
            let (state, reason) = leaves(current, &target, wish);
            enter_state(&mut transaction, current.id, state, Some(&reason)).await?;
            ended(&mut transaction, current.id, state).await?;
        }
        // The target first: hosts that still run it have nothing to change.
        let others = layers(&mut transaction, &wish.service).await?.into_iter();
        let others = others.filter(|layer| layer.release != target.release);
        let below = std::iter::once(target.layer())
            .chain(others)
            .take(LAYERS_MAX - 1)
            .collect();
        let release = Release {
            service: wish.service.clone(),
            build: target.build,
            artifact: target.artifact,
            spec: target.spec.clone(),
            configuration: target.configuration.clone(),
            selector: target.selector.clone(),
            actor: wish.actor.clone(),
            policy: policy(&target.spec),
            kind: DeploymentKind::Rollback {
                of: current.map(|current| current.id),
            },
            below,
        };
        let row = confirm(&mut transaction, release, &numbers).await?;
        hold(&mut transaction, wish).await?;
        governed::rolled_back(&mut transaction, &row, wish).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Services that nothing is deployed to automatically, by name.
    pub async fn deploy_holds(&self) -> Result<Vec<HoldRow>, Error> {
        let holds = sqlx::query_as("SELECT * FROM deploy_holds ORDER BY service")
            .fetch_all(&self.pool)
            .await?;
        Ok(holds)
    }

    /// Lets automatic deployments of a service go on; whether they were held.
    pub async fn lift_hold(&self, service: &ServiceName) -> Result<bool, Error> {
        let lifted = sqlx::query("DELETE FROM deploy_holds WHERE service = $1")
            .bind(service.as_str())
            .execute(&self.pool)
            .await?;
        Ok(lifted.rows_affected() > 0)
    }

    /// Whether a rollback of a deployment in flight would have a release to go to.
    pub async fn can_roll_back(&self, deployment: &DeploymentRow) -> Result<bool, Error> {
        let found = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM deployments WHERE service = $1 AND release < $2 AND state = 'SUCCEEDED')",
        )
        .bind(deployment.service.as_str())
        .bind(deployment.release.0)
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }
}

/// What hosts have or are on their way to: the deployment in flight, else the one that succeeded last.
async fn current(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<Option<DeploymentRow>, Error> {
    let current = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1
           AND deployments.state NOT IN ('ROLLED_BACK', 'SUPERSEDED', 'ROLLING_BACK')
         ORDER BY deployments.release DESC LIMIT 1 FOR NO KEY UPDATE OF deployments"
    ))
    .bind(service.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(current)
}

/// The release to go to: one that succeeded, was not taken back itself, and differs from what is there.
async fn target(
    connection: &mut PgConnection,
    wish: &RollBack,
    current: Option<&DeploymentRow>,
) -> Result<Option<DeploymentRow>, Error> {
    let target = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1 AND deployments.state = 'SUCCEEDED'
           AND ($2::bigint IS NULL OR deployments.release = $2)
           AND ($2::bigint IS NOT NULL OR NOT EXISTS (
                SELECT FROM deployments AS taken WHERE taken.rollback_of = deployments.id))
           AND deployments.id IS DISTINCT FROM $3
           AND ($2::bigint IS NOT NULL OR $3::uuid IS NULL OR NOT EXISTS (
                SELECT FROM deployments AS current WHERE current.id = $3 AND current.state = 'SUCCEEDED'
                AND current.artifact = deployments.artifact AND current.spec = deployments.spec
                AND current.configuration = deployments.configuration))
         ORDER BY deployments.release DESC LIMIT 1"
    ))
    .bind(wish.service.as_str())
    .bind(wish.to.map(|release| release.0))
    .bind(current.map(|current| current.id.0))
    .fetch_optional(connection)
    .await?;
    Ok(target)
}

fn leaves(current: &DeploymentRow, target: &DeploymentRow, wish: &RollBack) -> (DeploymentState, String) {
    match current.kind {
        DeploymentKind::Rollout => (DeploymentState::RollingBack, wish.reason.clone()),
        DeploymentKind::Rollback { .. } => (
            DeploymentState::Superseded,
            format!("a rollback to release {} took its place", target.release),
        ),
    }
}

/// Wide batches, no canary, no bake, and nothing that could stop it: there is nothing better to go to. Where a host
/// starts the earlier release beside the one that runs, nobody is out of service for it, so all are told at once.
fn policy(spec: &ServiceSpec) -> RolloutPolicy {
    RolloutPolicy {
        batch_size: match spec.overlap {
            Overlap::Always => Share::ALL,
            Overlap::Never => RESTARTED_AT_ONCE,
        },
        failure_threshold: Share::ALL,
        staging_limit_seconds: 0,
        auto_rollback: false,
        ..RolloutPolicy::default()
    }
}

async fn hold(connection: &mut PgConnection, wish: &RollBack) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO deploy_holds (service, reason, actor) VALUES ($1, $2, $3)
         ON CONFLICT (service) DO UPDATE SET reason = excluded.reason, actor = excluded.actor, since = now()",
    )
    .bind(wish.service.as_str())
    .bind(&wish.reason)
    .bind(wish.actor.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// A rollback that ends, ends what it rolls back.
pub(super) async fn ended(
    connection: &mut PgConnection,
    id: DeploymentId,
    state: DeploymentState,
) -> Result<(), Error> {
    if !state.is_terminal() {
        return Ok(());
    }
    let taken_back: Option<(uuid::Uuid, i64)> = sqlx::query_as(
        "SELECT taken.id, deployments.release FROM deployments
         JOIN deployments AS taken ON taken.id = deployments.rollback_of
         WHERE deployments.id = $1 AND taken.state = 'ROLLING_BACK' FOR NO KEY UPDATE OF taken",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((taken_back, release)) = taken_back else {
        return Ok(());
    };
    let (next, reason) = if state == DeploymentState::Succeeded {
        (
            DeploymentState::RolledBack,
            format!("release {release} is on all hosts in its place"),
        )
    } else {
        (
            DeploymentState::Failed,
            format!("its rollback, release {release}, ended {state}"),
        )
    };
    enter_state(connection, DeploymentId(taken_back), next, Some(&reason)).await
}
