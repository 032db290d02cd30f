//! A build's log on its page.

use crate::app::App;
use crate::extract::{Engineer, Id};
use crate::lines::{Line, Place};
use crate::refusal::Refusal;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use model::BuildId;
use std::convert::Infallible;

/// The most bytes that one look at a log reads.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// The most reads for one page.
const READS_MAX: usize = 16;
/// The lines that a page shows at first; the last ones, since that is where a failure is.
const LINES_SHOWN: usize = 2_000;

/// The lines of a log as list items.
#[derive(Template)]
#[template(path = "parts/log_lines.html")]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
}

/// A log as a page shows it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
    /// Lines before the first one shown.
    pub(crate) hidden: u64,
    /// Where the live stream goes on.
    pub(crate) place: Place,
}

/// Reads a log from its beginning, to show its last lines, or all of them.
pub(crate) async fn read(app: &App, build: BuildId, all: bool) -> Result<Log, Refusal> {
    let mut place = Place::default();
    let mut lines = Vec::new();
    for _ in 0..READS_MAX {
        let (mut more, finished) = next(app, build, &mut place).await?;
        let done = finished || more.is_empty();
        lines.append(&mut more);
        if !all && lines.len() > LINES_SHOWN {
            lines.drain(..lines.len() - LINES_SHOWN);
        }
        if done {
            break;
        }
    }
    let hidden = lines.first().map_or(0, |line| line.number - 1);
    Ok(Log { lines, hidden, place })
}

/// Reads on from a place and moves it. The second value says that nothing will follow.
pub(crate) async fn next(app: &App, build: BuildId, place: &mut Place) -> Result<(Vec<Line>, bool), Refusal> {
    let slice = app.jobs.log(build, place.offset, READ_BYTES_MAX).await?;
    let lines = place.advance(&slice.bytes, slice.finished);
    Ok((lines, slice.finished))
}

/// `GET /builds/{id}/log`: the whole log so far, as the build wrote it.
pub(crate) async fn plain(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
) -> Result<Response, Refusal> {
    let first = app.jobs.log(id, 0, READ_BYTES_MAX).await?;
    let rest = stream::unfold(Some(first), move |slice| {
        let jobs = app.jobs.clone();
        async move {
            let slice = slice?;
            let following = match slice.bytes.is_empty() || slice.finished {
                true => None,
                false => jobs.log(id, slice.next, READ_BYTES_MAX).await.ok(),
            };
            Some((Ok::<_, Infallible>(slice.bytes), following))
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, Body::from_stream(rest)).into_response())
}
