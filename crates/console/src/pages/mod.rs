//! The console: pages that the server renders, readable and usable without JavaScript.
//!
//! A part of a page that changes is a template of its own, used by the page and by its live stream alike.

mod audit;
mod badge;
mod build;
mod build_timeline;
mod builds;
mod chart;
mod curve;
mod deployment;
mod deployment_timeline;
mod deployments;
mod distribution;
mod frame;
mod instances;
mod log;
pub(crate) mod login;
mod nodes;
mod overview;
mod rollout;
mod services;
mod ship;
mod task_log;

pub(crate) use frame::refusal;

use crate::app::App;
use axum::Router;
use axum::routing::{get, post};

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(overview::page))
        .route("/live", get(overview::live))
        .route("/builds", get(builds::page).post(builds::enqueue))
        .route("/builds/live", get(builds::live))
        .route("/builds/{id}", get(build::page))
        .route("/builds/{id}/live", get(build::live))
        .route("/builds/{id}/log", get(log::plain))
        .route("/builds/{id}/log/download", get(log::download))
        .route("/builds/{id}/cancel", post(build::cancel))
        .route("/builds/{id}/deploy", post(ship::confirm))
        .route("/builds/{id}/ship", get(ship::page))
        .route("/deployments", get(deployments::page))
        .route("/deployments/live", get(deployments::live))
        .route("/deployments/{id}", get(deployment::page))
        .route("/deployments/{id}/live", get(deployment::live))
        .route("/deployments/{id}/cancel", post(deployment::cancel))
        .route("/deployments/{id}/pause", post(rollout::pause))
        .route("/deployments/{id}/resume", post(rollout::resume))
        .route("/deployments/{id}/step", post(rollout::step))
        .route("/deployments/{id}/rollback", post(rollout::roll_back))
        .route("/deployments/{id}/distribution", post(distribution::say))
        .route("/audit", get(audit::page))
        .route("/instances", get(instances::page))
        .route("/instances/live", get(instances::live))
        .route("/nodes", get(nodes::page))
        .route("/nodes/live", get(nodes::live))
        .route("/services", get(services::page))
        .route("/services/live", get(services::live))
        .route("/services/{name}/log", get(task_log::page))
        .route("/services/{name}/log/live", get(task_log::live))
        .route("/logout", post(login::log_out))
}
