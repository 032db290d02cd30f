//! `/v1/builds`.

use super::Page;
use crate::app::App;
use crate::extract::{Engineer, Id, Json, Query};
use crate::live::{self, Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{BuildDetail, BuildList, CancelQueued, CancelledQueued, Enqueued, NewBuild};
use crate::{enqueue, read};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use database::jobs::Cancelled;
use model::{BuildId, ReplicaState};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/builds", get(list).post(create))
        .route("/builds/cancel", post(cancel_queued))
        .route("/builds/{id}", get(one))
        .route("/builds/{id}/cancel", post(cancel))
        .route("/builds/{id}/events", get(events))
}

/// 201 for a new build, 200 for one that was asked for before.
async fn create(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(request): Json<NewBuild>,
) -> Result<(StatusCode, axum::Json<Enqueued>), Refusal> {
    let enqueued = enqueue::enqueue(&app, &actor, request).await?;
    let status = if enqueued.fresh {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(enqueued)))
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Query(page): Query<Page<BuildId>>,
) -> Result<axum::Json<BuildList>, Refusal> {
    read::builds(&app, page.limit, page.before).await.map(axum::Json)
}

async fn one(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
) -> Result<axum::Json<BuildDetail>, Refusal> {
    read::build_detail(&app, id).await.map(axum::Json)
}

async fn cancel(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<BuildId>,
) -> Result<axum::Json<BuildDetail>, Refusal> {
    match app.jobs.cancel(id, &actor).await? {
        Cancelled::Now => read::build_detail(&app, id).await.map(axum::Json),
        Cancelled::Already(state) => Err(Refusal::Ended {
            what: format!("build {id}"),
            state: state.as_str(),
        }),
    }
}

async fn cancel_queued(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(request): Json<CancelQueued>,
) -> Result<axum::Json<CancelledQueued>, Refusal> {
    if let Some(name) = &request.repository
        && app.jobs.repository(name).await?.is_none()
    {
        return Err(Refusal::UnknownRepository(name.clone()));
    }
    let cancelled = app
        .jobs
        .cancel_queued(request.repository.as_ref(), &actor)
        .await?;
    tracing::info!(builds.cancelled = cancelled, actor = %actor, "everything that waited was cancelled");
    Ok(axum::Json(CancelledQueued { cancelled }))
}

async fn events(State(app): State<App>, _: Engineer, Id(id): Id<BuildId>) -> Result<Response, Refusal> {
    live::answer(app, Events(id)).await
}

struct Events(BuildId);

impl Feed for Events {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let detail = read::build_detail(app, self.0).await?;
        Ok(Update {
            last: is_settled(&detail),
            parts: vec![Part::json("build", &detail)?],
        })
    }
}

/// Whether nothing will change any more: it ended, and every region holds what it made.
pub(crate) fn is_settled(detail: &BuildDetail) -> bool {
    let copied = detail
        .replicas
        .iter()
        .all(|replica| replica.state == ReplicaState::Verified);
    let made_nothing = detail.build.artifact.is_none();
    detail.build.state.is_terminal() && (made_nothing || (copied && !detail.replicas.is_empty()))
}
