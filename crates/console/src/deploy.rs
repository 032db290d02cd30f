//! Confirming a deployment: only what has SUCCEEDED, and only where it belongs.

use crate::app::App;
use crate::refusal::Refusal;
use crate::{candidate, metrics, rows, wire};
use database::builds::{Artifact, NewDeployment, RollBack};
use database::jobs::BuildRow;
use model::code::Code;
use model::{Actor, BuildId, BuildState, BuildVersion};

/// Confirms a deployment.
pub(crate) async fn deploy(
    app: &App,
    actor: &Actor,
    request: wire::NewDeployment,
) -> Result<wire::Deployment, Refusal> {
    let service = request.service.clone();
    let code = code_of(request.build, request.code_version)?;
    let spec = app
        .builds
        .service(&service)
        .await?
        .ok_or_else(|| Refusal::UnknownService(service.clone()))?
        .spec;
    let row = candidate::build_of(app, &spec.target, &code).await?;
    let artifact = published(&row)?;
    if spec.target != row.target {
        return Err(Refusal::OtherTarget {
            service,
            expected: spec.target,
            actual: row.target,
        });
    }
    // The synchronizer does the same; doing it here means that nobody waits for it.
    app.builds.record_artifact(&artifact).await?;
    let deployment = app
        .builds
        .deploy(&NewDeployment {
            service,
            build: row.id,
            artifact: artifact.id,
            configuration: request.configuration_version,
            selector: request.labels,
            policy: request.configuration,
            actor: actor.clone(),
            when_busy: request.when_busy,
            automatic: request.automatic,
            version: row.version,
            break_glass: request.break_glass,
        })
        .await?;
    metrics::deployment_confirmed();
    tracing::info!(
        deployment.id = %deployment.id,
        deployment.release = %deployment.release,
        service.name = %deployment.service,
        build.id = %row.id,
        actor = %actor,
        "a deployment was confirmed"
    );
    Ok(rows::deployment(deployment))
}

/// Brings an earlier release back, ahead of whatever is in flight.
pub(crate) async fn roll_back(
    app: &App,
    actor: &Actor,
    wish: wire::RollBack,
) -> Result<wire::Deployment, Refusal> {
    let said = wish.reason.filter(|reason| !reason.trim().is_empty());
    let reason = match said {
        Some(reason) => format!("rolled back by {actor}: {reason}"),
        None => format!("rolled back by {actor}"),
    };
    let deployment = app
        .builds
        .roll_back(&RollBack {
            service: wish.service,
            to: wish.to,
            actor: actor.clone(),
            reason,
            only_from: None,
        })
        .await?;
    metrics::deployment_confirmed();
    tracing::info!(
        deployment.id = %deployment.id,
        deployment.release = %deployment.release,
        service.name = %deployment.service,
        actor = %actor,
        "a rollback was confirmed"
    );
    Ok(rows::deployment(deployment))
}

/// What shall run, of which exactly one name is given.
pub(crate) fn code_of(build: Option<BuildId>, version: Option<BuildVersion>) -> Result<Code, Refusal> {
    match (build, version) {
        (Some(build), None) => Ok(Code::Build(build)),
        (None, Some(version)) => Ok(Code::Version(version)),
        _ => Err(Refusal::Invalid("give either build or code_version".to_owned())),
    }
}

/// What a build published; refused unless it SUCCEEDED, and for a test.
fn published(row: &BuildRow) -> Result<Artifact, Refusal> {
    match (row.state, row.artifact, row.total_bytes) {
        (BuildState::Succeeded, Some(id), Some(total_bytes)) => Ok(Artifact {
            id,
            build: row.id,
            repository: row.repository.clone(),
            commit: row.commit.clone(),
            target: row.target.clone(),
            total_bytes,
        }),
        (BuildState::Succeeded, ..) => Err(Refusal::NoArtifact(row.id)),
        _ => Err(Refusal::NotSucceeded {
            build: row.id,
            state: row.state,
        }),
    }
}
