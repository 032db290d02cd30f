//! Writing a release down and asking the regions for it.

use super::{
    DeploymentRow,
    artifacts::{lock_regions, want_replicas},
    collect::refuse_withdrawn,
    controls::lift_aborts,
    deployments::{DeploymentKind, deployment_rows, enter_state},
    watch,
};
use crate::{Error, Hint, hints};
use model::{
    Actor, ArtifactId, BuildId, Configuration, Cursor, DeploymentId, DeploymentState, Epoch, Layer,
    ReleaseNumber, RolloutPolicy, Selector, ServiceName, ServiceSpec, region_service::LAYERS_MAX,
};
use sqlx::PgConnection;
use sqlx::types::Json;

/// The numbers that a change of a service is given.
pub(super) struct Numbers {
    release: ReleaseNumber,
    epoch: Epoch,
}

impl Numbers {
    /// The next release's.
    pub(super) const fn release(&self) -> ReleaseNumber {
        self.release
    }
}

/// Everything that is decided about a release before it is confirmed.
pub(super) struct Release {
    pub(super) service: ServiceName,
    pub(super) build: BuildId,
    pub(super) artifact: ArtifactId,
    pub(super) spec: ServiceSpec,
    pub(super) configuration: Configuration,
    pub(super) selector: Selector,
    pub(super) actor: Actor,
    pub(super) policy: RolloutPolicy,
    pub(super) kind: DeploymentKind,
}

/// When a release's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// As soon as it is confirmed.
    Now,
    /// Once another deployment of its service has ended.
    Later,
}

/// The longest that a deployment waits for another to end, in seconds. That one has a deadline of its own.
const WAIT_SECONDS_MAX: f64 = 24.0 * 3_600.0;

impl DeploymentRow {
    /// The release as what everybody runs whose turn for a newer one has not come.
    pub(super) fn layer(&self) -> Layer {
        Layer {
            deployment: self.id,
            epoch: self.epoch,
            release: self.release,
            artifact: self.artifact,
            spec: self.spec.clone(),
            configuration: self.configuration.clone(),
            selector: self.selector.clone(),
            cursor: Cursor::EVERYBODY,
            warm: false,
        }
    }
}

/// Writes a release down and asks every region for it, where nobody has their turn yet. `below` is what hosts run whose
/// turn has not come.
pub(super) async fn confirm(
    connection: &mut PgConnection,
    release: &Release,
    numbers: &Numbers,
    below: &[Layer],
) -> Result<DeploymentRow, Error> {
    let row = write_down(connection, release, numbers, Turn::Now).await?;
    ask_every_region(connection, &row, below).await?;
    Ok(row)
}

/// Writes a release down, and lets its bytes begin to move to the regions' stores.
pub(super) async fn write_down(
    connection: &mut PgConnection,
    release: &Release,
    numbers: &Numbers,
    turn: Turn,
) -> Result<DeploymentRow, Error> {
    lock_regions(connection).await?;
    let id = DeploymentId(uuid::Uuid::now_v7());
    insert_deployment(connection, id, release, (numbers, turn)).await?;
    enter_state(connection, id, DeploymentState::Pending, None).await?;
    refuse_withdrawn(connection, &release.artifact).await?;
    want_replicas(connection, &release.artifact).await?;
    hints::send(connection, Hint::Deployment(id)).await?;
    read(connection, id).await
}

/// The deployment as the transaction sees it.
pub(super) async fn read(connection: &mut PgConnection, id: DeploymentId) -> Result<DeploymentRow, Error> {
    let row = sqlx::query_as(deployment_rows!("WHERE deployments.id = $1"))
        .bind(id.0)
        .fetch_one(connection)
        .await?;
    Ok(row)
}

/// What the service's instances run now: the releases that succeeded, newest first, each for the instances that no newer
/// one is for.
pub(super) async fn layers(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<Vec<Layer>, Error> {
    let succeeded: Vec<DeploymentRow> = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1 AND deployments.state = 'SUCCEEDED'
         ORDER BY deployments.release DESC LIMIT 100"
    ))
    .bind(service.as_str())
    .fetch_all(connection)
    .await?;
    let mut layers: Vec<Layer> = Vec::new();
    for row in succeeded {
        if layers.iter().all(|layer| layer.selector != row.selector) && layers.len() + 1 < LAYERS_MAX {
            layers.push(row.layer());
        }
        if row.selector.is_empty() {
            break;
        }
    }
    Ok(layers)
}

/// Takes the service's next numbers, and with them the right to change it until the transaction ends.
pub(super) async fn next_numbers(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<Numbers, Error> {
    let (release, epoch) = sqlx::query_as(
        "UPDATE service_counters SET release = release + 1, epoch = epoch + 1
         WHERE service = $1 RETURNING release, epoch",
    )
    .bind(service.as_str())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| Error::UnknownService(service.clone()))?;
    Ok(Numbers {
        release: ReleaseNumber(release),
        epoch: Epoch(epoch),
    })
}

async fn insert_deployment(
    connection: &mut PgConnection,
    id: DeploymentId,
    release: &Release,
    (numbers, turn): (&Numbers, Turn),
) -> Result<(), Error> {
    let (kind, of) = match release.kind {
        DeploymentKind::Rollout => ("ROLLOUT", None),
        DeploymentKind::Rollback { of } => ("ROLLBACK", of),
    };
    let limit_seconds = match turn {
        Turn::Now => f64::from(release.policy.deadline_seconds),
        Turn::Later => WAIT_SECONDS_MAX,
    };
    sqlx::query(
        "INSERT INTO deployments (id, service, release, build, artifact, spec, actor, configuration, policy, epoch,
                                  kind, rollback_of, selector, expires_at, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now() + make_interval(secs => $14),
                 CASE WHEN $15 THEN clock_timestamp() END)",
    )
    .bind(id.0)
    .bind(release.service.as_str())
    .bind(numbers.release.0)
    .bind(release.build.0)
    .bind(release.artifact.to_string())
    .bind(Json(&release.spec))
    .bind(release.actor.as_str())
    .bind(Json(&release.configuration))
    .bind(Json(&release.policy))
    .bind(numbers.epoch.0)
    .bind(kind)
    .bind(of.map(|of| of.0))
    .bind(release.selector.to_string())
    .bind(limit_seconds)
    .bind(turn == Turn::Now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Asks every region for a deployment's release; what its instances run until then is not watched any more.
pub(super) async fn ask_every_region(
    connection: &mut PgConnection,
    deployment: &DeploymentRow,
    below: &[Layer],
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox (service, region, deployment, artifact, epoch, cursor_hosts, below)
         SELECT $1, name, $2, $3, $4, 0, $5 FROM regions
         ON CONFLICT (service, region) DO UPDATE
         SET deployment = excluded.deployment, artifact = excluded.artifact, epoch = excluded.epoch,
             cursor_hosts = excluded.cursor_hosts, cursor_order = excluded.cursor_order, warm = false,
             below = excluded.below, written_at = now(), failures = 0, retry_at = now()",
    )
    .bind(deployment.service.as_str())
    .bind(deployment.id.0)
    .bind(deployment.artifact.to_string())
    .bind(deployment.epoch.0)
    .bind(Json(below))
    .execute(&mut *connection)
    .await?;
    watch::end(connection, &deployment.subject()).await?;
    lift_aborts(connection, &deployment.artifact).await
}
