//! `/v1/inventory/instances`.

use crate::app::App;
use crate::extract::{Engineer, Id, Json, Query};
use crate::guard;
use crate::inventory::{self, Wanted};
use crate::refusal::Refusal;
use crate::wire::{
    Heartbeat, HeartbeatAccepted, Instance, InstanceList, InstanceRegistered, NewInstance,
    RETIREMENT_REASON_LENGTH_MAX, Retirement,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, patch, post};

/// The largest body that a program may send for itself, in bytes: all labels that it may have fit.
const BODY_LENGTH_MAX: usize = 16 * 1024;

/// What engineers ask.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/inventory/instances", get(list))
        .route("/inventory/instances/{name}", get(one))
        .route("/inventory/instances/{name}/retire", post(retire))
}

/// What programs say for themselves. No engineer's token stands before it: a join token is in the body, or the
/// program's own secret in the header.
pub(crate) fn open() -> Router<App> {
    Router::new()
        .route("/v1/inventory/instances/register", post(register))
        .route("/v1/inventory/instances/{name}", patch(heartbeat))
        .layer(DefaultBodyLimit::max(BODY_LENGTH_MAX))
}

async fn register(
    State(app): State<App>,
    Json(new): Json<NewInstance>,
) -> Result<(StatusCode, axum::Json<InstanceRegistered>), Refusal> {
    let registered = inventory::register(&app, new).await?;
    Ok((StatusCode::CREATED, axum::Json(registered)))
}

async fn heartbeat(
    State(app): State<App>,
    Id(name): Id<String>,
    headers: HeaderMap,
    Json(heartbeat): Json<Heartbeat>,
) -> Result<axum::Json<HeartbeatAccepted>, Refusal> {
    let secret = guard::secret(&headers).ok_or(Refusal::Unauthenticated)?;
    inventory::hear(&app, &name, secret, heartbeat)
        .await
        .map(axum::Json)
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<axum::Json<InstanceList>, Refusal> {
    let wanted = Wanted::read(&pairs)?;
    inventory::list(&app, &wanted).await.map(axum::Json)
}

async fn one(
    State(app): State<App>,
    _: Engineer,
    Id(name): Id<String>,
) -> Result<axum::Json<Instance>, Refusal> {
    inventory::instance(&app, &name).await.map(axum::Json)
}

/// Takes an instance out. Doing it twice by its identifier changes nothing more.
async fn retire(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(name): Id<String>,
    Json(Retirement { reason }): Json<Retirement>,
) -> Result<axum::Json<Instance>, Refusal> {
    let plain = !reason.trim().is_empty() && !reason.chars().any(char::is_control);
    if !plain || reason.len() > RETIREMENT_REASON_LENGTH_MAX {
        return Err(Refusal::Invalid(format!(
            "reason: say why in 1 to {RETIREMENT_REASON_LENGTH_MAX} bytes on one line"
        )));
    }
    let before = inventory::instance(&app, &name).await?;
    let Some(id) = app.builds.retire_instance(&name, &actor, &reason).await? else {
        if before.retired_at.is_some() {
            return Ok(axum::Json(before));
        }
        return Err(Refusal::AgentSpeaks(before.name));
    };
    app.inventory.forget(id).await;
    tracing::warn!(instance.id = %id, instance.name = %before.name, actor = %actor, reason, "an instance was retired");
    inventory::instance(&app, &id.to_string()).await.map(axum::Json)
}
