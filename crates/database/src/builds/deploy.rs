//! Confirming a deployment: release, deployment and outbox in one transaction.

use super::{
    Builds, DeploymentRow,
    artifacts::{lock_regions, want_replicas},
    controls::lift_aborts,
    deployments::{deployment_rows, enter_state},
    progress::keep_final_counts,
};
use crate::{Error, Hint, hints};
use model::{Actor, ArtifactId, BuildId, DeploymentId, DeploymentState, Epoch, ReleaseNumber, ServiceName};
use model::{ServiceSpec, Target};
use sqlx::PgConnection;
use sqlx::types::Json;
use std::time::Duration;

/// What to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// To which service.
    pub service: ServiceName,
    /// A SUCCEEDED build; whoever calls has made sure of that in the jobs database.
    pub build: BuildId,
    /// What the build made.
    pub artifact: ArtifactId,
    /// Who asks.
    pub actor: Actor,
    /// After this long without converging it is given up. In whole seconds.
    pub deadline: Duration,
}

/// The numbers that a change of a service is given.
struct Numbers {
    release: ReleaseNumber,
    epoch: Epoch,
}

impl Builds {
    /// Makes the service's next release and asks every region for it. A deployment of the service that
    /// is still in flight is SUPERSEDED.
    ///
    /// The artifact must have been recorded before ([`Builds::record_artifact`]). Fails with
    /// [`Error::UnknownService`], [`Error::NotRecorded`] and [`Error::OtherTarget`].
    pub async fn deploy(&self, new: &NewDeployment) -> Result<DeploymentRow, Error> {
        let mut transaction = self.pool.begin().await?;
        lock_regions(&mut transaction).await?;
        let numbers = next_numbers(&mut transaction, &new.service).await?;
        let spec = checked_spec(&mut transaction, new).await?;
        leave_previous(&mut transaction, &new.service, &numbers).await?;
        let id = DeploymentId(uuid::Uuid::now_v7());
        insert_deployment(&mut transaction, id, new, &spec, &numbers).await?;
        enter_state(&mut transaction, id, DeploymentState::Pending, None).await?;
        want_replicas(&mut transaction, &new.artifact).await?;
        ask_every_region(&mut transaction, id, new, &numbers).await?;
        lift_aborts(&mut transaction, &new.artifact).await?;
        hints::send(&mut transaction, Hint::Deployment(id)).await?;
        let row = sqlx::query_as(deployment_rows!("WHERE deployments.id = $1"))
            .bind(id.0)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(row)
    }
}

/// Takes the service's next numbers, and with them the right to change it until the transaction ends.
async fn next_numbers(connection: &mut PgConnection, service: &ServiceName) -> Result<Numbers, Error> {
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

/// Keeps how far the previous release had come, and ends its deployment if that is still in flight.
async fn leave_previous(
    connection: &mut PgConnection,
    service: &ServiceName,
    numbers: &Numbers,
) -> Result<(), Error> {
    let previous = ReleaseNumber(numbers.release.0 - 1);
    keep_final_counts(connection, service, previous).await?;
    let in_flight: Option<uuid::Uuid> = sqlx::query_scalar(
        "SELECT id FROM deployments WHERE service = $1 AND state IN ('PENDING', 'STAGING', 'ACTIVATING')
         FOR NO KEY UPDATE",
    )
    .bind(service.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = in_flight.map(DeploymentId) {
        let reason = format!("release {} took its place", numbers.release);
        enter_state(connection, id, DeploymentState::Superseded, Some(&reason)).await?;
        hints::send(connection, Hint::Deployment(id)).await?;
    }
    Ok(())
}

async fn insert_deployment(
    connection: &mut PgConnection,
    id: DeploymentId,
    new: &NewDeployment,
    spec: &ServiceSpec,
    numbers: &Numbers,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO deployments (id, service, release, build, artifact, spec, actor, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))",
    )
    .bind(id.0)
    .bind(new.service.as_str())
    .bind(numbers.release.0)
    .bind(new.build.0)
    .bind(new.artifact.to_string())
    .bind(Json(spec))
    .bind(new.actor.as_str())
    .bind(new.deadline.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(())
}

async fn ask_every_region(
    connection: &mut PgConnection,
    id: DeploymentId,
    new: &NewDeployment,
    numbers: &Numbers,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox (service, region, deployment, artifact, epoch, directive)
         SELECT $1, name, $2, $3, $4, 'STAGE' FROM regions
         ON CONFLICT (service, region) DO UPDATE
         SET deployment = excluded.deployment, artifact = excluded.artifact, epoch = excluded.epoch,
             directive = excluded.directive, written_at = now(), failures = 0, retry_at = now()",
    )
    .bind(new.service.as_str())
    .bind(id.0)
    .bind(new.artifact.to_string())
    .bind(numbers.epoch.0)
    .execute(connection)
    .await?;
    Ok(())
}
