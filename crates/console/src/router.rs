//! Which address leads where, and what stands before all of them.

use crate::app::App;
use crate::refusal::Refusal;
use crate::{api, assets, guard, pages};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::trace::TraceLayer;

/// The largest body, in bytes, where a handler does not say otherwise.
const BODY_LENGTH_MAX: usize = 64 * 1024;

/// Everything but the login, the static files and what nodes and programs say for themselves stands behind the guard, the unknown addresses too.
pub(crate) fn build(app: App) -> Router {
    let guarded = Router::new()
        .nest("/v1", api::router())
        .merge(pages::router())
        .layer(from_fn(guard::in_time))
        .nest("/v1", api::publishing().layer(from_fn(guard::in_longer_time)))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::Method)
        .layer(from_fn_with_state(app.clone(), guard::authenticated));
    let open = Router::new()
        .merge(api::enrolments())
        .merge(api::instances())
        .route("/login", get(pages::login::page).post(pages::login::log_in))
        .route("/assets/{version}/{name}", get(assets::get))
        .layer(from_fn(guard::in_time));
    Router::new()
        .merge(guarded)
        .merge(open)
        .layer(
            CsrfLayer::new()
                .with_rejection_response(|_: ProtectionError| Refusal::CrossOrigin.into_response()),
        )
        .layer(DefaultBodyLimit::max(BODY_LENGTH_MAX))
        .layer(from_fn(guard::legible))
        .layer(from_fn(guard::hardened))
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}
