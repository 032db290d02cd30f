//! Confirming a deployment: release, deployment and outbox in one transaction.

use super::{
    Builds, DeploymentRow, configurations,
    confirm::{Numbers, Release, Turn, ask_every_region, layers, next_numbers, write_down},
    deployments::{DeploymentKind, enter_state},
    governed, inventory, overlapping,
    progress::keep_final_counts,
    queue::{self, Other, in_flight},
    roll_back::{self, HoldRow},
};
use crate::{Error, Hint, hints};
use model::version::VERSION_VARIABLE;
use model::{
    Actor, ArtifactId, BuildId, BuildVersion, Configuration, ConfigurationVersion, DeploymentId,
    DeploymentState, Layer, RolloutPolicy, Selector, ServiceName, ServiceSpec, Target, WhenBusy,
};
use policy::Subject;
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
    /// What becomes of it while another of the service is in flight.
    pub when_busy: WhenBusy,
    /// Whether no person asked for this very deployment, so that a hold forbids it.
    pub automatic: bool,
    /// What the build is called; its process finds it in [`VERSION_VARIABLE`], unless the spec says otherwise.
    pub version: Option<BuildVersion>,
    /// Why freezes and missing approvals shall not count this once.
    pub break_glass: Option<String>,
}

impl Builds {
    /// Makes the service's next release and asks every region for it, or lets it wait for the one that is in flight.
    ///
    /// The artifact must have been recorded before ([`Builds::record_artifact`]). Fails with
    /// [`Error::UnknownService`], [`Error::NotRecorded`], [`Error::OtherTarget`], [`Error::Withdrawn`],
    /// [`Error::InvalidRollout`], [`Error::Fleet`], [`Error::UnknownConfiguration`], [`Error::InFlight`],
    /// [`Error::NoOverlap`], [`Error::Held`] and [`Error::Denied`].
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
            refuse_if_held(&mut transaction, new).await?;
        }
        let waits_for = make_room(&mut transaction, new, &numbers).await?;
        let below = layers(&mut transaction, &new.service).await?;
        overlapping::fit(&mut spec, new, &below)?;
        let release = release(&mut transaction, new, spec, &below).await?;
        let turn = waits_for.map_or(Turn::Now, |_| Turn::Later);
        let mut row = write_down(&mut transaction, &release, &numbers, turn).await?;
        match waits_for {
            None => ask_every_region(&mut transaction, &row, &below).await?,
            Some(other) => row.waits_for = Some(queue::wait_for(&mut transaction, row.id, other).await?),
        }
        governed::confirmed(&mut transaction, &row, new, &allowed).await?;
        transaction.commit().await?;
        Ok(row)
    }
}

async fn release(
    connection: &mut PgConnection,
    new: &NewDeployment,
    spec: ServiceSpec,
    below: &[Layer],
) -> Result<Release, Error> {
    let configuration = match &new.configuration {
        Some(version) => configurations::of_version(connection, &new.service, version).await?,
        None => running_configuration(below),
    };
    Ok(Release {
        service: new.service.clone(),
        build: new.build,
        artifact: new.artifact,
        spec,
        configuration,
        selector: new.selector.clone(),
        actor: new.actor.clone(),
        policy: new.policy.clone(),
        kind: DeploymentKind::Rollout,
    })
}

/// The configuration of the release that succeeded last.
pub(super) fn running_configuration(below: &[Layer]) -> Configuration {
    below
        .first()
        .map(|layer| layer.configuration.clone())
        .unwrap_or_default()
}

/// What was rolled back in one environment holds up no other.
async fn refuse_if_held(connection: &mut PgConnection, new: &NewDeployment) -> Result<(), Error> {
    let hold: Option<HoldRow> = sqlx::query_as("SELECT * FROM deploy_holds WHERE service = $1")
        .bind(new.service.as_str())
        .fetch_optional(connection)
        .await?;
    let wanted = Subject::of(new.service.clone(), &new.selector);
    match hold.filter(|hold| hold.subject().meets(&wanted)) {
        Some(HoldRow { service, reason, .. }) => Err(Error::Held { service, reason }),
        None => Ok(()),
    }
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

/// What a newcomer does about whatever is under way of its service: refused, behind it (which is returned), or in its
/// place. Of two that wait the newer one stays. Nothing takes the place of what is for another environment.
async fn make_room(
    connection: &mut PgConnection,
    new: &NewDeployment,
    numbers: &Numbers,
) -> Result<Option<DeploymentId>, Error> {
    let (moving, queued) = (
        in_flight(connection, &new.service).await?,
        queue::queued(connection, &new.service).await?,
    );
    if new.when_busy == WhenBusy::Refuse
        && let Some(other) = moving.as_ref().or(queued.as_ref())
    {
        return Err(Error::InFlight {
            service: new.service.clone(),
            deployment: other.id,
        });
    }
    let wanted = Subject::of(new.service.clone(), &new.selector);
    let meets = |other: &Other| other.subject.meets(&wanted);
    let in_its_way = match new.when_busy {
        // One at most waits.
        WhenBusy::Queue if moving.is_some() => queued.as_ref(),
        _ => moving.as_ref(),
    };
    if let Some(other) = in_its_way.filter(|other| !meets(other)) {
        return Err(Error::OtherEnvironment {
            deployment: other.id,
            subject: other.subject.clone(),
        });
    }
    // What waits for another environment goes on waiting.
    let queued = queued.filter(meets);
    let (moving, queued) = (moving.map(|other| other.id), queued.map(|other| other.id));
    let reason = format!("release {} took its place", numbers.release());
    if let Some(id) = queued {
        enter_state(connection, id, DeploymentState::Superseded, Some(&reason)).await?;
        hints::send(connection, Hint::Deployment(id)).await?;
    }
    if new.when_busy == WhenBusy::Queue && moving.is_some() {
        return Ok(moving);
    }
    keep_final_counts(connection, &new.service).await?;
    if let Some(id) = moving {
        enter_state(connection, id, DeploymentState::Superseded, Some(&reason)).await?;
        roll_back::ended(connection, id, DeploymentState::Superseded).await?;
        hints::send(connection, Hint::Deployment(id)).await?;
    }
    Ok(None)
}
