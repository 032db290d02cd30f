//! `/v1/deployments`.

use super::Page;
use crate::app::App;
use crate::extract::{Engineer, Id, Json, Query};
use crate::live::{self, Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{Deployment, DeploymentDetail, DeploymentList, NewDeployment};
use crate::{deploy, read};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use database::builds::Steered;
use model::DeploymentId;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/deployments", get(list).post(create))
        .route("/deployments/{id}", get(one))
        .route("/deployments/{id}/cancel", post(cancel))
        .route("/deployments/{id}/events", get(events))
}

pub(super) async fn create(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(request): Json<NewDeployment>,
) -> Result<(StatusCode, axum::Json<Deployment>), Refusal> {
    let deployment = deploy::deploy(&app, &actor, request).await?;
    Ok((StatusCode::CREATED, axum::Json(deployment)))
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Query(page): Query<Page<DeploymentId>>,
) -> Result<axum::Json<DeploymentList>, Refusal> {
    read::deployments(&app, page.limit, page.before)
        .await
        .map(axum::Json)
}

pub(super) async fn one(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    read::deployment_detail(&app, id).await.map(axum::Json)
}

async fn cancel(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<axum::Json<DeploymentDetail>, Refusal> {
    match app.builds.cancel_deployment(id, &actor).await? {
        Steered::Now => read::deployment_detail(&app, id).await.map(axum::Json),
        Steered::Not(state) => Err(Refusal::Ended {
            what: format!("deployment {id}"),
            state: state.as_str(),
        }),
    }
}

async fn events(State(app): State<App>, _: Engineer, Id(id): Id<DeploymentId>) -> Result<Response, Refusal> {
    live::answer(app, Events(id)).await
}

struct Events(DeploymentId);

impl Feed for Events {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let detail = read::deployment_detail(app, self.0).await?;
        Ok(Update {
            last: detail.deployment.state.is_terminal(),
            parts: vec![Part::json("deployment", &detail)?],
        })
    }
}
