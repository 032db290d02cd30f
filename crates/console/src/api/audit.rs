//! `/v1/audit`.

use super::Page;
use crate::app::App;
use crate::extract::{Engineer, Query};
use crate::read;
use crate::refusal::Refusal;
use crate::wire::{AuditList, AuditVerified};
use axum::Router;
use axum::extract::State;
use axum::routing::get;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/verification", get(verify))
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Query(page): Query<Page<i64>>,
) -> Result<axum::Json<AuditList>, Refusal> {
    read::audit(&app, page.limit, page.before).await.map(axum::Json)
}

/// Follows the whole trail.
async fn verify(State(app): State<App>, _: Engineer) -> Result<axum::Json<AuditVerified>, Refusal> {
    let verifier = app.builds.verify_audit().await?;
    Ok(axum::Json(AuditVerified {
        entries: verifier.number,
        link: verifier.link.to_string(),
    }))
}
