//! `/v1/distributions` and `/v1/limits`.

use crate::app::App;
use crate::distributions;
use crate::extract::{Engineer, Id, Json};
use crate::refusal::Refusal;
use crate::wire::{Distribution, DistributionList, RegionLimits, RegionLimitsList, WhichRegion};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post, put};
use database::builds::DistributionChange;
use model::control::{Hold, Limits};
use model::{ArtifactId, RegionName};

pub(super) fn router() -> Router<App> {
    let said = |change| post(move |app, actor, id, region| say(app, actor, id, region, change));
    Router::new()
        .route("/distributions", get(list))
        .route("/distributions/{artifact}", get(one))
        .route(
            "/distributions/{artifact}/pause",
            said(DistributionChange::Hold(Hold::Paused)),
        )
        .route(
            "/distributions/{artifact}/resume",
            said(DistributionChange::Hold(Hold::None)),
        )
        .route(
            "/distributions/{artifact}/abort",
            said(DistributionChange::Hold(Hold::Aborted)),
        )
        .route(
            "/distributions/{artifact}/prefer",
            said(DistributionChange::Prefer),
        )
        .route("/limits", get(limits))
        .route("/regions/{region}/limits", put(set_limits))
}

async fn list(State(app): State<App>, _: Engineer) -> Result<axum::Json<DistributionList>, Refusal> {
    distributions::list(&app).await.map(axum::Json)
}

async fn one(
    State(app): State<App>,
    _: Engineer,
    Id(artifact): Id<ArtifactId>,
) -> Result<axum::Json<Distribution>, Refusal> {
    distributions::one(&app, &artifact).await.map(axum::Json)
}

async fn say(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(artifact): Id<ArtifactId>,
    Json(WhichRegion { region }): Json<WhichRegion>,
    change: DistributionChange,
) -> Result<axum::Json<Distribution>, Refusal> {
    distributions::change(&app, &actor, &artifact, region.as_ref(), change).await?;
    distributions::of(&app, &artifact).await.map(axum::Json)
}

async fn limits(State(app): State<App>, _: Engineer) -> Result<axum::Json<RegionLimitsList>, Refusal> {
    distributions::limits(&app).await.map(axum::Json)
}

async fn set_limits(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(region): Id<RegionName>,
    Json(limits): Json<Limits>,
) -> Result<axum::Json<RegionLimits>, Refusal> {
    distributions::set_limits(&app, &actor, &region, &limits)
        .await
        .map(axum::Json)
}
