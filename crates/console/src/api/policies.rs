//! `/v1/policies`.

use crate::app::App;
use crate::extract::{Engineer, Id, Json};
use crate::refusal::Refusal;
use crate::wire::{PolicyInForce, PolicyList};
use crate::{read, rows};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use policy::Policy;
use uuid::Uuid;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/policies", get(list).post(create))
        .route("/policies/{id}/end", post(end))
}

async fn list(State(app): State<App>, _: Engineer) -> Result<axum::Json<PolicyList>, Refusal> {
    read::policies(&app).await.map(axum::Json)
}

/// Consent is given by whoever asks, and by nobody for another.
async fn create(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(mut policy): Json<Policy>,
) -> Result<(StatusCode, axum::Json<PolicyInForce>), Refusal> {
    if let Policy::Approval(approval) = &mut policy {
        approval.actor = actor.clone();
    }
    let row = app.builds.add_policy(&policy, &actor).await?;
    tracing::warn!(policy.id = %row.id, actor = %actor, "a policy was added");
    Ok((StatusCode::CREATED, axum::Json(rows::policy(row))))
}

async fn end(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<Uuid>,
) -> Result<axum::Json<PolicyInForce>, Refusal> {
    let row = app.builds.end_policy(id, &actor).await?;
    tracing::warn!(policy.id = %id, actor = %actor, "a policy was ended");
    Ok(axum::Json(rows::policy(row)))
}
