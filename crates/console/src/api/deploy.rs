//! `/v1/deploy`: a service's rollouts, by the service's name. `/v1/deployments` knows each by its own.

use super::deployments::{create, one};
use crate::app::App;
use crate::extract::{Engineer, Json};
use crate::refusal::{Refusal, RolloutRefused};
use crate::wire::{DeployStatus, Deployment, DeploymentDetail, OfService, RollBack};
use crate::{deploy, read, rows};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use database::builds::Steered;
use model::{DeploymentId, ServiceName};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/deploy", post(create))
        .route("/deploy/status", get(status))
        .route("/deploy/progress", post(progress))
        .route("/deploy/pause", post(pause))
        .route("/deploy/resume", post(resume))
        .route("/deploy/abort", post(abort))
        .route("/deploy/rollback", post(roll_back))
        .route("/deploy/lift", post(lift))
        .route("/deploy/{id}", get(one))
}

async fn status(State(app): State<App>, _: Engineer) -> Result<axum::Json<DeployStatus>, Refusal> {
    let in_flight = app.builds.deployments_in_flight().await?;
    let queued = app.builds.queued_deployments().await?;
    let watched = app.builds.watched_deployments().await?;
    let holds = app.builds.deploy_holds().await?;
    Ok(axum::Json(DeployStatus {
        queued: queued.into_iter().map(rows::deployment).collect(),
        watched: watched.into_iter().map(rows::deployment).collect(),
        in_flight: in_flight.into_iter().map(rows::deployment).collect(),
        holds: holds.into_iter().map(rows::hold).collect(),
    }))
}

async fn progress(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(OfService { service }): Json<OfService>,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    let id = in_flight(&app, &service).await?;
    let steered = app.builds.allow_step(id, &actor).await?;
    answer(&app, id, steered).await
}

async fn pause(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(OfService { service }): Json<OfService>,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    let id = in_flight(&app, &service).await?;
    let steered = app.builds.pause_deployment(id, &actor).await?;
    answer(&app, id, steered).await
}

async fn resume(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(OfService { service }): Json<OfService>,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    let id = in_flight(&app, &service).await?;
    let steered = app.builds.resume_deployment(id, &actor).await?;
    answer(&app, id, steered).await
}

async fn abort(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(OfService { service }): Json<OfService>,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    let id = in_flight(&app, &service).await?;
    let steered = app.builds.cancel_deployment(id, &actor).await?;
    answer(&app, id, steered).await
}

async fn roll_back(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(wish): Json<RollBack>,
) -> Result<(StatusCode, axum::Json<Deployment>), Refusal> {
    let deployment = deploy::roll_back(&app, &actor, wish).await?;
    Ok((StatusCode::CREATED, axum::Json(deployment)))
}

async fn lift(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(OfService { service }): Json<OfService>,
) -> Result<StatusCode, Refusal> {
    let lifted = app.builds.lift_hold(&service, &actor).await?;
    tracing::info!(service.name = %service, actor = %actor, lifted, "automatic deployments may go on");
    Ok(StatusCode::NO_CONTENT)
}

async fn in_flight(app: &App, service: &ServiceName) -> Result<DeploymentId, Refusal> {
    let all = app.builds.deployments_in_flight().await?;
    let its = all.into_iter().find(|deployment| deployment.service == *service);
    its.map(|deployment| deployment.id)
        .ok_or_else(|| RolloutRefused::NothingInFlight(service.clone()).into())
}

async fn answer(
    app: &App,
    id: DeploymentId,
    steered: Steered,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    match steered {
        Steered::Now => read::deployment_detail(app, id).await.map(axum::Json),
        Steered::Not(state) => Err(Refusal::Ended {
            what: format!("deployment {id}"),
            state: state.as_str(),
        }),
    }
}
