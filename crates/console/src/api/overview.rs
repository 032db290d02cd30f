//! `/v1/overview`.

use crate::app::App;
use crate::extract::Engineer;
use crate::read;
use crate::refusal::Refusal;
use crate::wire::Overview;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

pub(super) fn router() -> Router<App> {
    Router::new().route("/overview", get(overview))
}

async fn overview(State(app): State<App>, _: Engineer) -> Result<Json<Overview>, Refusal> {
    read::overview(&app).await.map(Json)
}
