//! Confirming a deployment: only what has SUCCEEDED, and only where it belongs.

use crate::app::App;
use crate::refusal::Refusal;
use crate::{metrics, rows, wire};
use database::builds::{Artifact, NewDeployment};
use database::jobs::BuildRow;
use model::{Actor, BuildState};
use std::time::Duration;

/// After this long without converging a deployment is given up.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Confirms a deployment.
pub(crate) async fn deploy(
    app: &App,
    actor: &Actor,
    request: wire::NewDeployment,
) -> Result<wire::Deployment, Refusal> {
    let wire::NewDeployment { service, build } = request;
    let row = app.jobs.build(build).await?.ok_or(Refusal::UnknownBuild(build))?;
    let artifact = published(&row)?;
    let spec = app
        .builds
        .service(&service)
        .await?
        .ok_or_else(|| Refusal::UnknownService(service.clone()))?
        .spec;
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
            build,
            artifact: artifact.id,
            actor: actor.clone(),
            deadline: DEADLINE,
        })
        .await?;
    metrics::deployment_confirmed();
    tracing::info!(
        deployment.id = %deployment.id,
        deployment.release = %deployment.release,
        service.name = %deployment.service,
        build.id = %build,
        actor = %actor,
        "a deployment was confirmed"
    );
    Ok(rows::deployment(deployment))
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
