//! `/v1/services`.

use crate::app::App;
use crate::extract::{Engineer, Id, Json, Query};
use crate::refusal::Refusal;
use crate::wire::{Service, ServiceList, ShipDiff};
use crate::{deploy, diff, read};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use model::{BuildId, BuildVersion, ConfigurationVersion, ServiceName, ServiceSpec};
use serde::Deserialize;

/// The largest spec, in bytes; all arguments and variables that a spec may hold fit.
const SPEC_LENGTH_MAX: usize = 4 * 1024 * 1024;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/services", get(list))
        .route(
            "/services/{name}",
            get(one).put(put).layer(DefaultBodyLimit::max(SPEC_LENGTH_MAX)),
        )
        .route("/services/{name}/diff", get(ship_diff))
}

/// `?build=ID&configuration=VERSION`, or `code_version` instead of `build`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    build: Option<BuildId>,
    code_version: Option<BuildVersion>,
    configuration: Option<ConfigurationVersion>,
}

/// What would change if a build were deployed.
async fn ship_diff(
    State(app): State<App>,
    _: Engineer,
    Id(name): Id<ServiceName>,
    Query(wanted): Query<Candidate>,
) -> Result<axum::Json<ShipDiff>, Refusal> {
    let code = deploy::code_of(wanted.build, wanted.code_version)?;
    diff::ship_diff(&app, &name, &code, wanted.configuration)
        .await
        .map(axum::Json)
}

async fn list(State(app): State<App>, _: Engineer) -> Result<axum::Json<ServiceList>, Refusal> {
    let services = read::services(&app).await?;
    Ok(axum::Json(ServiceList { services }))
}

async fn one(
    State(app): State<App>,
    _: Engineer,
    Id(name): Id<ServiceName>,
) -> Result<axum::Json<Service>, Refusal> {
    read::service_by_name(&app, &name).await.map(axum::Json)
}

/// Makes a service or changes its spec; what runs keeps the spec that it was released with.
async fn put(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(name): Id<ServiceName>,
    Json(spec): Json<ServiceSpec>,
) -> Result<axum::Json<Service>, Refusal> {
    app.builds.put_service(&name, &spec, &actor).await?;
    tracing::info!(service.name = %name, actor = %actor, "a service's spec was stored");
    read::service_by_name(&app, &name).await.map(axum::Json)
}
