//! `/v1`: what programs ask, in JSON. One file for each thing that can be asked about.

mod artifacts;
mod audit;
mod builds;
mod collection;
mod configurations;
mod deploy;
mod deployments;
mod distributions;
mod enrolments;
mod inventory;
mod join_tokens;
mod logs;
mod nodes;
mod overview;
mod policies;
mod publishing;
mod regions;
mod repositories;
mod services;
mod task_logs;
mod workers;

pub(crate) use builds::is_settled;
pub(crate) use enrolments::router as enrolments;
pub(crate) use inventory::open as instances;
pub(crate) use publishing::router as publishing;

use crate::app::App;
use crate::wire::LIST_LIMIT_DEFAULT;
use axum::Router;
use serde::Deserialize;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .merge(artifacts::router())
        .merge(audit::router())
        .merge(builds::router())
        .merge(configurations::router())
        .merge(deploy::router())
        .merge(collection::router())
        .merge(deployments::router())
        .merge(distributions::router())
        .merge(inventory::router())
        .merge(join_tokens::router())
        .merge(logs::router())
        .merge(nodes::router())
        .merge(overview::router())
        .merge(policies::router())
        .merge(regions::router())
        .merge(repositories::router())
        .merge(services::router())
        .merge(task_logs::router())
        .merge(workers::router())
}

/// `?limit=50&before=ID`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page<Id> {
    #[serde(default = "limit_default")]
    limit: u32,
    before: Option<Id>,
}

const fn limit_default() -> u32 {
    LIST_LIMIT_DEFAULT
}
