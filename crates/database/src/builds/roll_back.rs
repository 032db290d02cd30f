//! The way back: the last release that succeeded, as a new release, from bits that are on the hosts already.

use super::{
    Builds, DeploymentRow,
    confirm::{Release, confirm, layers, next_numbers},
    deployments::{DeploymentKind, deployment_rows, enter_state},
    governed,
    progress::keep_final_counts,
    queue::{self, Other},
};
use crate::{Error, Hint, hints, row};
use jiff::Timestamp;
use model::labels::LabelValue;
use model::region_service::LAYERS_MAX;
use model::service::Overlap;
use model::{
    Actor, DeploymentId, DeploymentState, Layer, ReleaseNumber, RolloutPolicy, Selector, ServiceName,
    ServiceSpec, Share,
};
use policy::Subject;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// How many earlier releases are looked through for one to go back to.
const TARGETS_MAX: i64 = 100;
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
    /// Only while this deployment is the newest of its instances, and no other one of the service is in flight: of two
    /// controllers one is too late.
    pub only_from: Option<DeploymentId>,
}

/// A service that nothing is deployed to automatically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// Which service.
    pub service: ServiceName,
    /// Why.
    pub reason: String,
    /// In which environment the rollback was; in all, where none is named.
    pub environment: Option<LabelValue>,
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
            environment: row::word_option(row, "environment")?,
            actor: row::word(row, "actor")?,
            since: row::time(row, "since")?,
        })
    }
}

impl HoldRow {
    /// What it holds.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            service: self.service.clone(),
            environment: self.environment.clone(),
        }
    }
}

impl Builds {
    /// Makes an earlier release the service's next one, ahead of whatever is in flight, and holds automatic deployments
    /// in that environment until somebody lifts that. What waited there for its turn is CANCELLED: it was meant for
    /// another state of things.
    ///
    /// Fails with [`Error::UnknownService`], [`Error::NothingToRollBackTo`], [`Error::Denied`], and
    /// [`Error::Overtaken`] when [`RollBack::only_from`] is not the newest any more.
    pub async fn roll_back(&self, wish: &RollBack) -> Result<DeploymentRow, Error> {
        let mut transaction = self.pool.begin().await?;
        let numbers = next_numbers(&mut transaction, &wish.service).await?;
        let current = match wish.only_from {
            Some(id) => still_current(&mut transaction, &wish.service, id).await?,
            None => current(&mut transaction, &wish.service).await?,
        };
        if wish.only_from.is_some() && current.as_ref().map(|current| current.id) != wish.only_from {
            return Err(Error::Overtaken(wish.service.clone()));
        }
        let target = target(&mut transaction, &wish.service, wish.to, current.as_ref()).await?;
        let target = target.ok_or_else(|| Error::NothingToRollBackTo(wish.service.clone()))?;
        let selector = reach(wish, &target, current.as_ref());
        governed::allow_roll_back(&mut transaction, wish, &selector).await?;
        keep_final_counts(&mut transaction, &wish.service).await?;
        if let Some(current) = current.as_ref().filter(|current| current.state.is_in_flight()) {
            let (state, reason) = leaves(current, &target, wish);
            enter_state(&mut transaction, current.id, state, Some(&reason)).await?;
            ended(&mut transaction, current.id, state).await?;
        }
        let subject = Subject::of(wish.service.clone(), &selector);
        cancel_queued(&mut transaction, wish, (&subject, numbers.release())).await?;
        let below = below(&mut transaction, &target, &selector).await?;
        let release = Release {
            service: wish.service.clone(),
            build: target.build,
            artifact: target.artifact,
            policy: policy(&target.spec),
            spec: target.spec,
            configuration: target.configuration,
            selector,
            actor: wish.actor.clone(),
            kind: DeploymentKind::Rollback {
                of: current.map(|current| current.id),
            },
        };
        let row = confirm(&mut transaction, &release, &numbers, &below).await?;
        hold(&mut transaction, wish, &row).await?;
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
    ///
    /// Fails with [`Error::Denied`] for whoever may not steer deployments where the rollback was.
    pub async fn lift_hold(&self, service: &ServiceName, actor: &Actor) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let hold: Option<HoldRow> = sqlx::query_as("DELETE FROM deploy_holds WHERE service = $1 RETURNING *")
            .bind(service.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(hold) = hold else { return Ok(false) };
        governed::allow_lifting(&mut transaction, actor, &hold).await?;
        governed::lifted(&mut transaction, actor, &hold).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether a rollback of a deployment would have a release to go to.
    pub async fn can_roll_back(&self, deployment: &DeploymentRow) -> Result<bool, Error> {
        let mut connection = self.pool.acquire().await?;
        let target = target(&mut connection, &deployment.service, None, Some(deployment)).await?;
        Ok(target.is_some())
    }
}

/// What hosts have or are on their way to: the deployment in flight, else the newest that was and left something there.
async fn current(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<Option<DeploymentRow>, Error> {
    let current = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1 AND deployments.started_at IS NOT NULL
           AND deployments.state NOT IN ('ROLLED_BACK', 'SUPERSEDED', 'ROLLING_BACK')
         ORDER BY deployments.release DESC LIMIT 1 FOR NO KEY UPDATE OF deployments"
    ))
    .bind(service.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(current)
}

/// A deployment, if it is still what the hosts that it is for have or are on their way to, and nothing else is in flight.
async fn still_current(
    connection: &mut PgConnection,
    service: &ServiceName,
    id: DeploymentId,
) -> Result<Option<DeploymentRow>, Error> {
    let later: Vec<DeploymentRow> = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1 AND deployments.started_at IS NOT NULL
           AND deployments.state NOT IN ('ROLLED_BACK', 'SUPERSEDED', 'ROLLING_BACK')
           AND (deployments.id = $2 OR deployments.release > (SELECT release FROM deployments WHERE id = $2)
                OR deployments.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED'))
         FOR NO KEY UPDATE OF deployments"
    ))
    .bind(service.as_str())
    .bind(id.0)
    .fetch_all(connection)
    .await?;
    let (mut its, others): (Vec<_>, Vec<_>) = later.into_iter().partition(|row| row.id == id);
    let current = its.pop();
    Ok(current.filter(|current| {
        let overtakes =
            |other: &DeploymentRow| other.state.is_in_flight() || other.subject().meets(&current.subject());
        !others.iter().any(overtakes)
    }))
}

/// The release to go to: one that succeeded, was not taken back itself, differs from what is there, and was for all
/// instances that the present one is for.
async fn target(
    connection: &mut PgConnection,
    service: &ServiceName,
    to: Option<ReleaseNumber>,
    current: Option<&DeploymentRow>,
) -> Result<Option<DeploymentRow>, Error> {
    let succeeded: Vec<DeploymentRow> = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1 AND deployments.state = 'SUCCEEDED'
           AND ($2::bigint IS NULL OR deployments.release = $2)
           AND ($2::bigint IS NOT NULL OR NOT EXISTS (
                SELECT FROM deployments AS taken WHERE taken.rollback_of = deployments.id))
           AND deployments.id IS DISTINCT FROM $3
           AND ($2::bigint IS NOT NULL OR $3::uuid IS NULL OR NOT EXISTS (
                SELECT FROM deployments AS current WHERE current.id = $3 AND current.state = 'SUCCEEDED'
                AND current.artifact = deployments.artifact AND current.spec = deployments.spec
                AND current.configuration = deployments.configuration))
         ORDER BY deployments.release DESC LIMIT $4"
    ))
    .bind(service.as_str())
    .bind(to.map(|release| release.0))
    .bind(current.map(|current| current.id.0))
    .bind(TARGETS_MAX)
    .fetch_all(connection)
    .await?;
    Ok(succeeded.into_iter().find(|target| {
        to.is_some() || current.is_none_or(|current| target.selector.covers(&current.selector))
    }))
}

/// For which instances the rollback is: those that the present release is for, so that none of another environment
/// moves; a release that was named comes back wherever it was.
fn reach(wish: &RollBack, target: &DeploymentRow, current: Option<&DeploymentRow>) -> Selector {
    match current {
        Some(current) if wish.to.is_none() => current.selector.clone(),
        _ => target.selector.clone(),
    }
}

/// What hosts run whose turn has not come: the target first, since hosts that still run it have nothing to change.
async fn below(
    connection: &mut PgConnection,
    target: &DeploymentRow,
    selector: &Selector,
) -> Result<Vec<Layer>, Error> {
    let others = layers(connection, &target.service).await?.into_iter();
    // A target that was for more instances than the rollback stays what the others run.
    let others = others.filter(|layer| layer.release != target.release || layer.selector != *selector);
    let first = Layer {
        selector: selector.clone(),
        ..target.layer()
    };
    Ok(std::iter::once(first)
        .chain(others)
        .take(LAYERS_MAX - 1)
        .collect())
}

async fn cancel_queued(
    connection: &mut PgConnection,
    wish: &RollBack,
    (subject, rollback): (&Subject, ReleaseNumber),
) -> Result<(), Error> {
    let queued = queue::queued(connection, &wish.service).await?;
    let Some(Other { id, .. }) = queued.filter(|queued| queued.subject.meets(subject)) else {
        return Ok(());
    };
    let reason = format!(
        "release {rollback} rolls the service back and holds deployments: {}",
        wish.reason
    );
    enter_state(connection, id, DeploymentState::Cancelled, Some(&reason)).await?;
    hints::send(connection, Hint::Deployment(id)).await
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
        watch_seconds: 0,
        ..RolloutPolicy::default()
    }
}

/// One hold a service: of two environments' it is one on all.
async fn hold(connection: &mut PgConnection, wish: &RollBack, rollback: &DeploymentRow) -> Result<(), Error> {
    let environment = Subject::of(wish.service.clone(), &rollback.selector).environment;
    sqlx::query(
        "INSERT INTO deploy_holds (service, reason, actor, environment) VALUES ($1, $2, $3, $4)
         ON CONFLICT (service) DO UPDATE
         SET reason = excluded.reason, actor = excluded.actor, since = now(),
             environment = CASE WHEN deploy_holds.environment = excluded.environment
                           THEN excluded.environment END",
    )
    .bind(wish.service.as_str())
    .bind(&wish.reason)
    .bind(wish.actor.as_str())
    .bind(environment.as_ref().map(LabelValue::as_str))
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
    let taken_back: Option<(uuid::Uuid, i64, Option<String>)> = sqlx::query_as(
        "SELECT taken.id, deployments.release, taken.reason FROM deployments
         JOIN deployments AS taken ON taken.id = deployments.rollback_of
         WHERE deployments.id = $1 AND taken.state = 'ROLLING_BACK' FOR NO KEY UPDATE OF taken",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((taken_back, release, why)) = taken_back else {
        return Ok(());
    };
    let (next, mut reason) = if state == DeploymentState::Succeeded {
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
    // Why it was taken back is what people come for.
    if let Some(why) = why {
        reason = format!("{reason}: {why}");
    }
    enter_state(connection, DeploymentId(taken_back), next, Some(&reason)).await
}
