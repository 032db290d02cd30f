//! `/v1/enrolments`: where nodes get their certificates. No bearer token stands before it: a join token or a
//! certificate is in the body, and a signature of the node's own key.

use crate::app::App;
use crate::enrol;
use crate::extract::Json;
use crate::refusal::Refusal;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use swarm::{EnrolmentRequest, Issued, RenewalRequest};

/// The largest request, in bytes: a certificate of 1,024 digits and a few names.
const REQUEST_LENGTH_MAX: usize = 4 * 1024;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/v1/enrolments", post(create))
        .route("/v1/enrolments/renew", post(renew))
        .layer(DefaultBodyLimit::max(REQUEST_LENGTH_MAX))
}

async fn create(
    State(app): State<App>,
    Json(request): Json<EnrolmentRequest>,
) -> Result<axum::Json<Issued>, Refusal> {
    enrol::enrol(&app, &request).await.map(axum::Json)
}

async fn renew(
    State(app): State<App>,
    Json(request): Json<RenewalRequest>,
) -> Result<axum::Json<Issued>, Refusal> {
    enrol::renew(&app, &request).await.map(axum::Json)
}
