//! `/v1/repositories`.

use crate::app::App;
use crate::extract::{Engineer, Id, Json};
use crate::refusal::Refusal;
use crate::rows;
use crate::wire::{NewRepository, Repository, RepositoryLimit, RepositoryList};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, put};
use model::{RepositoryName, RepositoryUrl};
use std::num::NonZeroU32;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/repositories", get(list).post(register))
        .route("/repositories/{name}/limit", put(limit))
}

async fn list(State(app): State<App>, _: Engineer) -> Result<axum::Json<RepositoryList>, Refusal> {
    let rows = app.jobs.repositories().await?;
    Ok(axum::Json(RepositoryList {
        repositories: rows.into_iter().map(rows::repository).collect(),
    }))
}

/// Registers a repository or changes its address; doing it twice changes nothing.
async fn register(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(request): Json<NewRepository>,
) -> Result<axum::Json<Repository>, Refusal> {
    let url = RepositoryUrl::parse(&request.url, app.local_repositories)?;
    app.jobs.register_repository(&request.name, &url, &actor).await?;
    let row = app
        .jobs
        .repository(&request.name)
        .await?
        .ok_or(Refusal::UnknownRepository(request.name))?;
    tracing::info!(repository.name = %row.name, actor = %actor, "a repository was registered");
    Ok(axum::Json(rows::repository(row)))
}

async fn limit(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(name): Id<RepositoryName>,
    Json(limit): Json<RepositoryLimit>,
) -> Result<axum::Json<Repository>, Refusal> {
    let running_max = limit.running_max.map(NonZeroU32::get);
    app.jobs.limit_repository(&name, running_max).await?;
    tracing::info!(repository.name = %name, repository.running_max = running_max, actor = %actor, "a repository was limited");
    let row = app
        .jobs
        .repository(&name)
        .await?
        .ok_or(Refusal::UnknownRepository(name))?;
    Ok(axum::Json(rows::repository(row)))
}
