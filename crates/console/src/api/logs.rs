//! `/v1/builds/{id}/log`: in parts, live, and searched.

use crate::app::App;
use crate::extract::{Engineer, Id, Query};
use crate::live::{self, Feed, Part, Update};
use crate::log::{self, Needle, Place};
use crate::refusal::Refusal;
use crate::wire::{LOG_FINISHED_HEADER, LOG_NEXT_HEADER, LogSearch, LogText};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::BuildId;
use model::text::whole_characters;
use serde::Deserialize;

/// The most bytes of a log in one answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes of a log in one event.
const EVENT_BYTES_MAX: usize = 128 * 1024;
/// The most events at once; whoever is behind hears the rest a moment later.
const EVENTS_AT_ONCE_MAX: usize = 16;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/builds/{id}/log", get(part))
        .route("/builds/{id}/log/stream", get(stream))
        .route("/builds/{id}/log/search", get(search))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    #[serde(default)]
    from: i64,
}

/// The log as the build wrote it, from a byte on.
async fn part(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
    Query(From { from }): Query<From>,
) -> Result<Response, Refusal> {
    let slice = app.logs.read(id, from, ANSWER_BYTES_MAX).await?;
    let headers = [
        (
            header::CONTENT_TYPE.as_str(),
            "text/plain; charset=utf-8".to_owned(),
        ),
        (LOG_NEXT_HEADER, slice.next.to_string()),
        (LOG_FINISHED_HEADER, slice.finished.to_string()),
    ];
    Ok((headers, slice.bytes).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    text: String,
    #[serde(default)]
    place: Place,
}

/// The lines that hold a text.
async fn search(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
    Query(Wanted { text, place }): Query<Wanted>,
) -> Result<axum::Json<LogSearch>, Refusal> {
    let needle: Needle = text
        .parse()
        .map_err(|error| Refusal::Invalid(format!("text: {error}")))?;
    log::search(&app.logs, id, &needle, place).await.map(axum::Json)
}

/// The log as it is written, as events of text. Each event's id is the byte after it, so that whoever
/// connects again with `Last-Event-ID` misses nothing and hears nothing twice.
async fn stream(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
    Query(From { from }): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let from = last.unwrap_or(from).max(0);
    live::answer(app, LogEvents { id, from }).await
}

struct LogEvents {
    id: BuildId,
    from: i64,
}

impl Feed for LogEvents {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let mut parts = Vec::new();
        let mut last = false;
        while parts.len() < EVENTS_AT_ONCE_MAX && !last {
            let slice = app.logs.read(self.id, self.from, EVENT_BYTES_MAX).await?;
            let length = match slice.finished {
                true => slice.bytes.len(),
                false => whole_characters(&slice.bytes),
            };
            last = slice.finished;
            if length == 0 {
                break;
            }
            let text = LogText {
                from: self.from,
                text: String::from_utf8_lossy(&slice.bytes[..length]).into_owned(),
            };
            self.from += i64::try_from(length).unwrap_or(i64::MAX);
            parts.push(Part::News {
                name: "log",
                data: serde_json::to_string(&text).map_err(|error| Refusal::Internal(Box::new(error)))?,
                id: self.from.to_string(),
            });
        }
        Ok(Update { parts, last })
    }
}
