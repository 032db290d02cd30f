//! A build's log on its page.

use crate::app::App;
use crate::extract::{Engineer, Id};
use crate::format;
use crate::log::{Line, Needle, Place, READ_BYTES_MAX, search};
use crate::refusal::Refusal;
use crate::wire::LogSearch;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use database::jobs::{LOG_LENGTH_MAX, LogGap};
use futures::{TryStreamExt as _, stream};
use model::BuildId;
use std::collections::VecDeque;

/// The most reads for one page: a whole log, where every read may end early at a frame.
const READS_MAX: i64 = 2 * LOG_LENGTH_MAX / READ_BYTES_MAX as i64 + 16;
/// The lines that a page shows; the last ones unless others were asked for, since that is where a failure is.
const LINES_SHOWN: u64 = 2_000;
/// How many of them come before a line that was asked for.
const LINES_BEFORE: u64 = 200;

/// The lines of a log as list items.
#[derive(Template)]
#[template(path = "parts/log_lines.html")]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
}

/// A log as a page shows it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
    /// A line of the page before, where there is one.
    pub(crate) earlier: Option<u64>,
    /// A line of the page behind, where there is one.
    pub(crate) later: Option<u64>,
    /// Where the live stream goes on; nowhere when the page ends before the log does.
    pub(crate) place: Option<Place>,
    /// What was searched for, and where it is.
    pub(crate) search: Option<(Needle, LogSearch)>,
    /// Why nothing is shown.
    pub(crate) unreadable: Option<String>,
}

/// Which lines a page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Window {
    /// The last ones, and those that come.
    End,
    /// Those around this one.
    Around(u64),
}

impl Window {
    /// How many lines come before the first one shown.
    const fn skipped(self) -> u64 {
        match self {
            Self::End => 0,
            Self::Around(line) => line.saturating_sub(LINES_BEFORE + 1),
        }
    }
}

/// Reads a log for its page. A store that is away costs the log alone, not the page.
pub(crate) async fn read(
    app: &App,
    build: BuildId,
    window: Window,
    needle: Option<Needle>,
) -> Result<Log, Refusal> {
    match read_window(app, build, window, needle.as_ref()).await {
        Err(away @ Refusal::StoreAway(_)) => {
            away.log();
            Ok(Log {
                unreadable: Some(away.to_string()),
                ..Log::default()
            })
        }
        Err(refusal) => Err(refusal),
        Ok(mut log) => {
            if let Some(needle) = needle {
                let found = search(&app.logs, build, &needle, Place::default()).await?;
                log.search = Some((needle, found));
            }
            Ok(log)
        }
    }
}

async fn read_window(
    app: &App,
    build: BuildId,
    window: Window,
    needle: Option<&Needle>,
) -> Result<Log, Refusal> {
    let mut place = Place::default();
    let mut kept = VecDeque::new();
    let mut at_end = false;
    for _ in 0..READS_MAX {
        let slice = app.logs.read(build, place.offset, READ_BYTES_MAX).await?;
        let before = place;
        let lines = place.advance(&slice.bytes, slice.finished);
        kept.extend(lines.into_iter().filter(|line| line.number > window.skipped()));
        at_end = slice.finished || place == before;
        let full = kept.len() as u64 > LINES_SHOWN;
        match window {
            Window::End if full => drop(kept.drain(..kept.len() - LINES_SHOWN as usize)),
            Window::Around(_) if full => break,
            _ => {}
        }
        if at_end {
            break;
        }
    }
    let more = kept.len() as u64 > LINES_SHOWN;
    kept.truncate(LINES_SHOWN as usize);
    let gaps = app.logs.gaps(build).await?;
    let first = kept.front().map_or(1, |line| line.number);
    let last = kept.back().map_or(0, |line| line.number);
    Ok(Log {
        earlier: (first > 1).then(|| first.saturating_sub(LINES_SHOWN - LINES_BEFORE).max(1)),
        later: (more || !at_end).then_some(last + 1),
        place: (at_end && !more).then_some(place),
        lines: kept.iter().map(|line| Line::new(line, &gaps, needle)).collect(),
        ..Log::default()
    })
}

/// Reads on from a place and moves it. The second value says that nothing will follow.
pub(crate) async fn next(app: &App, build: BuildId, place: &mut Place) -> Result<(Vec<Line>, bool), Refusal> {
    let slice = app.logs.read(build, place.offset, READ_BYTES_MAX).await?;
    let lines = place.advance(&slice.bytes, slice.finished);
    let gaps: Vec<LogGap> = if lines.is_empty() {
        Vec::new()
    } else {
        app.logs.gaps(build).await?
    };
    let lines = lines.iter().map(|line| Line::new(line, &gaps, None));
    Ok((lines.collect(), slice.finished))
}

/// `GET /builds/{id}/log`: the whole log so far, as the build wrote it.
pub(crate) async fn plain(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
) -> Result<Response, Refusal> {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, whole(app, id).await?).into_response())
}

/// `GET /builds/{id}/log/download`: the same as a file.
pub(crate) async fn download(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
) -> Result<Response, Refusal> {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{id}.log\""),
        ),
    ];
    Ok((headers, whole(app, id).await?).into_response())
}

/// The whole log, read as fast as it is taken. A read that fails breaks the answer off, so that nobody takes
/// a part for the whole.
async fn whole(app: App, id: BuildId) -> Result<Body, Refusal> {
    let first = app.logs.read(id, 0, READ_BYTES_MAX).await?;
    let rest = stream::try_unfold(Some(first), move |slice| {
        let logs = app.logs.clone();
        async move {
            let Some(slice) = slice else { return Ok(None) };
            let following = match slice.bytes.is_empty() || slice.finished {
                true => None,
                false => Some(logs.read(id, slice.next, READ_BYTES_MAX).await?),
            };
            Ok::<_, Refusal>(Some((slice.bytes, following)))
        }
    });
    Ok(Body::from_stream(rest.inspect_err(Refusal::log)))
}
