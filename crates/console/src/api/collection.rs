//! `/v1/collection`: what the collector may take, and letting it.

use crate::app::App;
use crate::extract::Engineer;
use crate::refusal::Refusal;
use crate::wire::{Collection, CollectionEntry};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use database::builds::Inventory;
use retention::{Artifact, Plan};

pub(super) fn router() -> Router<App> {
    Router::new().route("/collection", get(show).post(apply))
}

/// Changes nothing.
async fn show(State(app): State<App>, _: Engineer) -> Result<axum::Json<Collection>, Refusal> {
    let mut inventory = app.builds.inventory().await?;
    // Looked at last: what has been built since is in neither.
    inventory.references.building = app.jobs.active_identities().await?;
    let Inventory {
        artifacts,
        references,
    } = inventory;
    let plan = retention::plan(artifacts, &references, &app.retention);
    answer(&app, plan, false).await
}

/// Withdraws what the plan collects; the controller removes it from the stores.
async fn apply(State(app): State<App>, Engineer(actor): Engineer) -> Result<axum::Json<Collection>, Refusal> {
    let building = app.jobs.active_identities().await?;
    let plan = app.builds.withdraw_by(&actor, &app.retention, building).await?;
    answer(&app, plan, true).await
}

async fn answer(app: &App, plan: Plan, applied: bool) -> Result<axum::Json<Collection>, Refusal> {
    Ok(axum::Json(Collection {
        freed_bytes: plan.freed_bytes(),
        stores: 1 + app.builds.regions().await?.len() as u64,
        being_removed: app.builds.withdrawn_count().await?,
        collected: plan
            .collected
            .into_iter()
            .map(|artifact| entry(artifact, None))
            .collect(),
        kept: plan
            .kept
            .into_iter()
            .map(|kept| entry(kept.artifact, Some(kept.reason.to_string())))
            .collect(),
        applied,
    }))
}

fn entry(artifact: Artifact, reason: Option<String>) -> CollectionEntry {
    CollectionEntry {
        artifact: artifact.id,
        repository: artifact.repository,
        target: artifact.target,
        total_bytes: artifact.total_bytes,
        age_seconds: artifact.age.as_secs(),
        reason,
    }
}
