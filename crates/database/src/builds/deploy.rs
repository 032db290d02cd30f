//! Confirming a deployment: release, deployment and outbox in one transaction.

use super::{
    Builds, DeploymentRow,
    artifacts::{lock_regions, want_replicas},
    collect::refuse_withdrawn,
    configurations,
    controls::lift_aborts,
    deployments::{DeploymentKind, deployment_rows, enter_state},
    governed, inventory,
    progress::keep_final_counts,
    roll_back,
};
use crate::{Error, Hint, hints};
use model::version::VERSION_VARIABLE;
use model::{
    Actor, ArtifactId, BuildId, BuildVersion, Configuration, ConfigurationVersion, Cursor, DeploymentId,
    DeploymentState, Epoch, Layer, ReleaseNumber, RolloutPolicy, Selector, ServiceName, ServiceSpec, Target,
    region_service::LAYERS_MAX,
};
use sqlx::PgConnection;
use sqlx::types::Json;

/// What to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// To which service.
    pub service: ServiceName,
    /// A SUCCEEDED build; whoever calls has made sure of that in the jobs database.
    pub build: BuildId,
    /// What the build made.
    pub artifact: ArtifactId,
    /// With which configuration; with that of the last release that succeeded where none is named.
    pub configuration: Option<ConfigurationVersion>,
    /// Which of the service's instances; all without a condition.
    pub selector: Selector,
    /// How it moves.
    pub policy: RolloutPolicy,
    /// Who asks.
    pub actor: Actor,
    /// Whether it takes the place of one that is in flight.
    pub supersede: bool,
    /// Whether no person asked for this very deployment, so that a hold forbids it.
    pub automatic: bool,
    /// What the build is called; its process finds it in [`VERSION_VARIABLE`], unless the spec says otherwise.
    pub version: Option<BuildVersion>,
    /// Why freezes and missing approvals shall not count this once.
    pub break_glass: Option<String>,
}

/// The numbers that a change of a service is given.
pub(super) struct Numbers {
    release: ReleaseNumber,
    epoch: Epoch,
}

impl Numbers {
    /// The release before.
    pub(super) const fn previous(&self) -> ReleaseNumber {
        ReleaseNumber(self.release.0 - 1)
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
    /// What hosts run whose turn has not come.
    pub(super) below: Vec<Layer>,
}

impl Builds {
    /// Makes the service's next release and asks every region for it.
    ///
    /// The artifact must have been recorded before ([`Builds::record_artifact`]). Fails with
    /// [`Error::UnknownService`], [`Error::NotRecorded`], [`Error::OtherTarget`], [`Error::Withdrawn`],
    /// [`Error::InvalidRollout`], [`Error::Fleet`], [`Error::UnknownConfiguration`], [`Error::InFlight`],
    /// [`Error::Held`] and [`Error::Denied`].
    pub async fn deploy(&self, new: &NewDeployment) -> Result<DeploymentRow, Error> {
        new.policy.validate()?;
        let mut transaction = self.pool.begin().await?;
        let numbers = next_numbers(&mut transaction, &new.service).await?;
        let mut spec = checked_spec(&mut transaction, new).await?;
        if let Some(version) = &new.version {
            let variable = spec.environment.entry(VERSION_VARIABLE.to_owned());
            variable.or_insert_with(|| version.to_string());
        }
        let allowed = governed::allow(&mut transaction, new).await?;
        inventory::check_fleet(&mut transaction, &new.selector, &new.policy).await?;
        if new.automatic {
            refuse_if_held(&mut transaction, &new.service).await?;
        }
        let below = layers(&mut transaction, &new.service).await?;
        let configuration = match &new.configuration {
            Some(version) => configurations::of_version(&mut transaction, &new.service, version).await?,
            None => below
                .first()
                .map(|layer| layer.configuration.clone())
                .unwrap_or_default(),
        };
        leave_previous(&mut transaction, new, &numbers).await?;
        let release = Release {
            service: new.service.clone(),
            build: new.build,
            artifact: new.artifact,
            spec,
            configuration,
            selector: new.selector.clone(),
            actor: new.actor.clone(),
            policy: new.policy.clone(),
            kind: DeploymentKind::Rollout,
            below,
        };
        let row = confirm(&mut transaction, release, &numbers).await?;
        governed::confirmed(&mut transaction, &row, new, &allowed).await?;
        transaction.commit().await?;
        Ok(row)
    }
}

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
        }
    }
}

/// Writes a release down and asks every region for it, where nobody has their turn yet.
pub(super) async fn confirm(
    connection: &mut PgConnection,
    release: Release,
    numbers: &Numbers,
) -> Result<DeploymentRow, Error> {
    lock_regions(connection).await?;
    let id = DeploymentId(uuid::Uuid::now_v7());
    insert_deployment(connection, id, &release, numbers).await?;
    enter_state(connection, id, DeploymentState::Pending, None).await?;
    refuse_withdrawn(connection, &release.artifact).await?;
    want_replicas(connection, &release.artifact).await?;
    ask_every_region(connection, id, &release, numbers).await?;
    lift_aborts(connection, &release.artifact).await?;
    hints::send(connection, Hint::Deployment(id)).await?;
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

async fn refuse_if_held(connection: &mut PgConnection, service: &ServiceName) -> Result<(), Error> {
    let reason: Option<String> = sqlx::query_scalar("SELECT reason FROM deploy_holds WHERE service = $1")
        .bind(service.as_str())
        .fetch_optional(connection)
        .await?;
    reason.map_or(Ok(()), |reason| {
        Err(Error::Held {
            service: service.clone(),
            reason,
        })
    })
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

/// The service's spec, once it is sure that the artifact is one that the service can run.
async fn checked_spec(connection: &mut PgConnection, new: &NewDeployment) -> Result<ServiceSpec, Error> {
    let target: Option<String> = sqlx::query_scalar(
        "SELECT artifacts.target FROM artifact_builds
         JOIN artifacts ON artifacts.id = artifact_builds.artifact
         WHERE artifact_builds.build = $1 AND artifact_builds.artifact = $2",
    )
    .bind(new.build.0)
    .bind(new.artifact.to_string())
    .fetch_optional(&mut *connection)
    .await?;
    let target: Target = target
        .ok_or(Error::NotRecorded {
            build: new.build,
            artifact: new.artifact,
        })?
        .parse()
        .map_err(|reason| sqlx::Error::Decode(Box::new(reason)))?;
    let Json(spec): Json<ServiceSpec> = sqlx::query_scalar("SELECT spec FROM services WHERE name = $1")
        .bind(new.service.as_str())
        .fetch_one(connection)
        .await?;
    if spec.target != target {
        return Err(Error::OtherTarget {
            service: new.service.clone(),
            expected: spec.target,
            actual: target,
        });
    }
    Ok(spec)
}

/// Keeps how far the previous release had come, and ends its deployment if that is still in flight and may be.
async fn leave_previous(
    connection: &mut PgConnection,
    new: &NewDeployment,
    numbers: &Numbers,
) -> Result<(), Error> {
    keep_final_counts(connection, &new.service, numbers.previous()).await?;
    let in_flight: Option<uuid::Uuid> = sqlx::query_scalar(
        "SELECT id FROM deployments
         WHERE service = $1 AND state IN ('PENDING', 'PRECHECK', 'STAGING', 'WAVE', 'BAKE', 'PAUSED')
         FOR NO KEY UPDATE",
    )
    .bind(new.service.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(id) = in_flight.map(DeploymentId) else {
        return Ok(());
    };
    if !new.supersede {
        return Err(Error::InFlight {
            service: new.service.clone(),
            deployment: id,
        });
    }
    let reason = format!("release {} took its place", numbers.release);
    enter_state(connection, id, DeploymentState::Superseded, Some(&reason)).await?;
    roll_back::ended(connection, id, DeploymentState::Superseded).await?;
    hints::send(connection, Hint::Deployment(id)).await?;
    Ok(())
}

async fn insert_deployment(
    connection: &mut PgConnection,
    id: DeploymentId,
    release: &Release,
    numbers: &Numbers,
) -> Result<(), Error> {
    let (kind, of) = match release.kind {
        DeploymentKind::Rollout => ("ROLLOUT", None),
        DeploymentKind::Rollback { of } => ("ROLLBACK", of),
    };
    sqlx::query(
        "INSERT INTO deployments (id, service, release, build, artifact, spec, actor, configuration, policy, epoch,
                                  kind, rollback_of, selector, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now() + make_interval(secs => $14))",
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
    .bind(f64::from(release.policy.deadline_seconds))
    .execute(connection)
    .await?;
    Ok(())
}

async fn ask_every_region(
    connection: &mut PgConnection,
    id: DeploymentId,
    release: &Release,
    numbers: &Numbers,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox (service, region, deployment, artifact, epoch, cursor_hosts, below)
         SELECT $1, name, $2, $3, $4, 0, $5 FROM regions
         ON CONFLICT (service, region) DO UPDATE
         SET deployment = excluded.deployment, artifact = excluded.artifact, epoch = excluded.epoch,
             cursor_hosts = excluded.cursor_hosts, cursor_order = excluded.cursor_order, below = excluded.below,
             written_at = now(), failures = 0, retry_at = now()",
    )
    .bind(release.service.as_str())
    .bind(id.0)
    .bind(release.artifact.to_string())
    .bind(numbers.epoch.0)
    .bind(Json(&release.below))
    .execute(connection)
    .await?;
    Ok(())
}
