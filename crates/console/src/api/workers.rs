//! `/v1/workers`.

use crate::app::App;
use crate::extract::Engineer;
use crate::refusal::Refusal;
use crate::rows;
use crate::wire::WorkerList;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use std::time::Duration;

/// A worker that was not heard of for so long does not count for what can run.
const HEARD_OF_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn router() -> Router<App> {
    Router::new().route("/workers", get(list))
}

async fn list(State(app): State<App>, _: Engineer) -> Result<axum::Json<WorkerList>, Refusal> {
    let workers = app.jobs.workers().await?;
    let demand = app.jobs.demand(HEARD_OF_WITHIN).await?;
    Ok(axum::Json(WorkerList {
        workers: workers.into_iter().map(rows::worker).collect(),
        demand: demand.into(),
    }))
}
