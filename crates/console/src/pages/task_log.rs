//! What a service's tasks write on one host, as it comes.

use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::{Engineer, Id, Query};
use crate::live::{self, Feed, Part, Update};
use crate::log::{Line, Place};
use crate::refusal::Refusal;
use crate::{assets, format, read};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::task_log::{LogPart, LogQuestion, LogStart};
use model::{HostName, RegionName, ReleaseNumber, ServiceName};
use serde::Deserialize;

/// How many lines a page begins with.
const LINES_SHOWN: u32 = 1_000;
/// How long a host waits for more before it says that there is none, in milliseconds.
const WAIT_MS: u32 = 2_000;

#[derive(Template)]
#[template(path = "task_log.html")]
struct Page {
    frame: Frame,
    service: ServiceName,
    log: Which,
    part: LogPart,
    place: u64,
    lines: Lines,
}

#[derive(Template)]
#[template(path = "parts/task_log_lines.html")]
struct Lines {
    lines: Vec<Line>,
    /// How many bytes were to be shown before these and are gone.
    gone_bytes: u64,
}

impl Lines {
    fn of(part: &LogPart) -> Self {
        let lines = Place::default().advance(part.text.as_bytes(), true);
        Self {
            lines: lines.iter().map(|line| Line::new(line, &[], None)).collect(),
            gone_bytes: part.gone_bytes,
        }
    }
}

/// Whose output is shown.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    host: HostName,
    region: Option<RegionName>,
    /// The newest, unless it is said.
    release: Option<i64>,
    /// Where a page goes on; only its live stream says so.
    place: Option<u64>,
}

impl Which {
    async fn read(&self, app: &App, service: &ServiceName, start: LogStart) -> Result<LogPart, Refusal> {
        let region = read::region_of(app, service, &self.host, self.region.clone()).await?;
        let question = LogQuestion {
            service: service.clone(),
            release: self.release.map(ReleaseNumber),
            start,
            wait_ms: match start {
                LogStart::At(_) => WAIT_MS,
                LogStart::Tail(_) => 0,
            },
        };
        Ok(app.task_logs.ask(&region, &self.host, question).await?)
    }
}

/// `GET /services/{name}/log`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(service): Id<ServiceName>,
    Query(mut log): Query<Which>,
) -> Result<Response, Refusal> {
    log.region = Some(read::region_of(&app, &service, &log.host, log.region).await?);
    let part = log.read(&app, &service, LogStart::Tail(LINES_SHOWN)).await?;
    // What comes later belongs to the release that the page shows.
    log.release = Some(part.release.0);
    let page = Page {
        frame: Frame::new("/services", &actor),
        lines: Lines::of(&part),
        place: part.next,
        service,
        log,
        part,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `GET /services/{name}/log/live`. A browser that connects again says where it was.
pub(crate) async fn live(
    State(app): State<App>,
    _: Engineer,
    Id(service): Id<ServiceName>,
    Query(log): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let place = last.or(log.place).unwrap_or(0);
    live::answer(app, Follower { service, log, place }).await
}

struct Follower {
    service: ServiceName,
    log: Which,
    place: u64,
}

impl Feed for Follower {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let part = self
            .log
            .read(app, &self.service, LogStart::At(self.place))
            .await?;
        self.place = part.next;
        let mut parts = Vec::new();
        if !part.text.is_empty() {
            parts.push(Part::News {
                name: "log",
                data: fragment(&Lines::of(&part))?,
                id: self.place.to_string(),
            });
        }
        if part.newest > part.release {
            let newer = Newer {
                service: &self.service,
                log: &self.log,
                newest: part.newest,
            };
            parts.push(Part::state("newer", fragment(&newer)?));
        }
        Ok(Update { parts, last: false })
    }
}

#[derive(Template)]
#[template(path = "parts/task_log_newer.html")]
struct Newer<'a> {
    service: &'a ServiceName,
    log: &'a Which,
    newest: ReleaseNumber,
}

impl Page {
    fn newer(&self) -> Newer<'_> {
        Newer {
            service: &self.service,
            log: &self.log,
            newest: self.part.newest,
        }
    }
}
