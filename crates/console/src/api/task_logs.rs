//! `/v1/services/{name}/log`: what a service's tasks write on one host; and where regions fetch such questions.

use crate::app::App;
use crate::extract::{Engineer, Id, Json, Manager, Pair, Query};
use crate::read;
use crate::refusal::Refusal;
use crate::wire::TaskLog;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use model::task_log::{
    LOG_PART_BYTES_MAX, LOG_QUESTIONS_WAIT_SECONDS, LOG_WAIT_MS_MAX, LogAnswer, LogQuestion, LogStart,
    LogsAsked,
};
use model::{HostName, RegionName, ReleaseNumber, ServiceName};
use serde::Deserialize;
use std::time::Duration;

/// The largest answer, in bytes: JSON writes a byte as six at most.
const ANSWER_LENGTH_MAX: usize = 6 * LOG_PART_BYTES_MAX + 1_024;
/// How many lines are shown unless it is said.
const TAIL: u32 = 200;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/services/{name}/log", get(part))
        .route("/regions/{region}/logs/asked", get(asked))
        .route(
            "/regions/{region}/logs/{id}",
            post(answer).layer(DefaultBodyLimit::max(ANSWER_LENGTH_MAX)),
        )
}

/// `?host=HOST&region=REGION&release=N&from=PLACE&tail=LINES&wait_ms=N`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    host: HostName,
    region: Option<RegionName>,
    release: Option<i64>,
    /// A place to read on from; without one it is the last lines that are read.
    from: Option<u64>,
    #[serde(default = "tail")]
    tail: u32,
    #[serde(default)]
    wait_ms: u32,
}

const fn tail() -> u32 {
    TAIL
}

async fn part(
    State(app): State<App>,
    _: Engineer,
    Id(service): Id<ServiceName>,
    Query(wanted): Query<Wanted>,
) -> Result<axum::Json<TaskLog>, Refusal> {
    let region = read::region_of(&app, &service, &wanted.host, wanted.region).await?;
    let question = LogQuestion {
        service: service.clone(),
        release: wanted.release.map(ReleaseNumber),
        start: wanted.from.map_or(LogStart::Tail(wanted.tail), LogStart::At),
        wait_ms: wanted.wait_ms.min(LOG_WAIT_MS_MAX),
    };
    let part = app.task_logs.ask(&region, &wanted.host, question).await?;
    Ok(axum::Json(TaskLog {
        service,
        region,
        host: wanted.host,
        part,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patience {
    #[serde(default)]
    wait_seconds: u32,
}

/// What the region's manager is to ask its hosts.
async fn asked(
    State(app): State<App>,
    Manager(own): Manager,
    Id(region): Id<RegionName>,
    Query(Patience { wait_seconds }): Query<Patience>,
) -> Result<axum::Json<LogsAsked>, Refusal> {
    if region != own {
        return Err(Refusal::Forbidden);
    }
    let wait = Duration::from_secs(wait_seconds.min(LOG_QUESTIONS_WAIT_SECONDS).into());
    let taken = app.closing.run_until_cancelled(app.task_logs.take(&region, wait));
    Ok(axum::Json(taken.await.unwrap_or_default()))
}

/// What a host said. An answer that nobody waits for any more is no mistake of the manager's.
async fn answer(
    State(app): State<App>,
    Manager(own): Manager,
    Pair(region, id): Pair<RegionName, u64>,
    Json(answer): Json<LogAnswer>,
) -> Result<StatusCode, Refusal> {
    if region != own {
        return Err(Refusal::Forbidden);
    }
    let waited = app.task_logs.answer(&region, id, answer);
    Ok(if waited {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::GONE
    })
}
