//! One build: where it stands, its steps, its copies, its log, and the button to cancel it, and the way to deploy it.

use super::frame::{self, Frame, fragment};
use super::log::{self, Lines, Log, Window};
use super::{badge, build_timeline};
use crate::api::is_settled;
use crate::app::App;
use crate::extract::{Engineer, Id, Query};
use crate::live::{Feed, Part, Update};
use crate::log::{Needle, Place};
use crate::refusal::Refusal;
use crate::wire::BuildDetail;
use crate::{assets, format, live, provenance, read};
use artifact::{KeyId, Statement};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use model::{ArtifactId, BuildId, BuildState, ReplicaState, ServiceName};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "build.html")]
struct Page {
    frame: Frame,
    head: Head,
    timeline: Timeline,
    actions: Actions,
    replicas: Replicas,
    provenance: Provenance,
    log: Log,
    lines: Lines,
    live: bool,
}

#[derive(Template)]
#[template(path = "parts/build_head.html")]
struct Head {
    detail: BuildDetail,
    /// What is slower than usual, in a sentence.
    slowest: Option<String>,
    /// What the present step usually takes.
    usual: Option<String>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "parts/build_timeline.html")]
struct Timeline {
    groups: Vec<build_timeline::Group>,
}

#[derive(Template)]
#[template(path = "parts/build_actions.html")]
struct Actions {
    detail: BuildDetail,
    /// The services that run this target.
    services: Vec<ServiceName>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "parts/build_replicas.html")]
struct Replicas {
    detail: BuildDetail,
}

/// The parts of the page that change, as they are now.
struct Parts {
    head: Head,
    timeline: Timeline,
    actions: Actions,
    replicas: Replicas,
    settled: bool,
}

async fn parts(app: &App, id: BuildId) -> Result<Parts, Refusal> {
    let detail = read::build_detail(app, id).await?;
    let now = Timestamp::now();
    let services = app.builds.services().await?;
    Ok(Parts {
        timeline: Timeline {
            groups: build_timeline::groups(&detail, now),
        },
        actions: Actions {
            services: services
                .into_iter()
                .filter(|service| service.spec.target == detail.build.target)
                .map(|service| service.name)
                .collect(),
            detail: detail.clone(),
            now,
        },
        replicas: Replicas {
            detail: detail.clone(),
        },
        settled: is_settled(&detail),
        head: Head {
            slowest: build_timeline::slowest(&detail, now),
            usual: usual(&detail),
            detail,
            now,
        },
    })
}

/// What the present step usually takes.
fn usual(detail: &BuildDetail) -> Option<String> {
    let usual = detail.usual_of(detail.build.phase?)?;
    Some(format::milliseconds(usual.duration_ms))
}

#[derive(Debug, Deserialize)]
pub(crate) struct View {
    /// Shows the log around this line instead of its end.
    line: Option<u64>,
    /// What to search for in the log.
    #[serde(default)]
    search: String,
}

/// `GET /builds/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<BuildId>,
    Query(view): Query<View>,
) -> Result<Response, Refusal> {
    let parts = parts(&app, id).await?;
    let window = view.line.map_or(Window::End, Window::Around);
    let needle = match view.search.as_str() {
        "" => None,
        text => Some(
            text.parse::<Needle>()
                .map_err(|error| Refusal::Invalid(format!("search: {error}")))?,
        ),
    };
    let mut log = log::read(&app, id, window, needle).await?;
    let provenance = provenance(&app, parts.head.detail.build.artifact.as_ref()).await;
    let page = Page {
        provenance,
        frame: Frame::new("/builds", &actor),
        lines: Lines {
            lines: std::mem::take(&mut log.lines),
        },
        log,
        live: !parts.settled,
        head: parts.head,
        timeline: parts.timeline,
        actions: parts.actions,
        replicas: parts.replicas,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// Where the build's artifact comes from, read once with the page.
struct Provenance {
    statement: Option<Statement>,
    keys: Vec<KeyId>,
    /// Why there is none to show.
    missing: &'static str,
}

async fn provenance(app: &App, artifact: Option<&ArtifactId>) -> Provenance {
    let missing = |missing| Provenance {
        statement: None,
        keys: Vec::new(),
        missing,
    };
    let Some(artifact) = artifact else {
        return missing("A build that has SUCCEEDED with an artifact has one.");
    };
    match provenance::envelope(app, artifact).await {
        Ok(Some(envelope)) => Provenance {
            keys: envelope.keys().collect(),
            statement: Statement::decode(envelope.payload()).ok(),
            missing: "This version can’t read it.",
        },
        Ok(None) => missing("The main store no longer has this artifact."),
        Err(refusal) => {
            refusal.log();
            missing("The object store is away. Load the page again in a moment.")
        }
    }
}

/// `POST /builds/{id}/cancel`. Cancelling what has ended changes nothing, and shows how it ended.
pub(crate) async fn cancel(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<BuildId>,
) -> Result<Response, Refusal> {
    app.jobs.cancel(id, &actor).await?;
    Ok(Redirect::to(&format!("/builds/{id}")).into_response())
}

/// Where a reader's log ends; without a place, none is shown that could grow.
#[derive(Debug, Deserialize)]
pub(crate) struct Reader {
    place: Option<Place>,
}

/// `GET /builds/{id}/live`. A browser that connects again says where it was.
pub(crate) async fn live(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<BuildId>,
    Query(reader): Query<Reader>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let place = last.or(reader.place);
    live::answer(app, OneBuild { id, place }).await
}

struct OneBuild {
    id: BuildId,
    place: Option<Place>,
}

impl Feed for OneBuild {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let parts = parts(app, self.id).await?;
        let mut news = vec![
            Part::state("head", fragment(&parts.head)?),
            Part::state("actions", fragment(&parts.actions)?),
            Part::state("timeline", fragment(&parts.timeline)?),
            Part::state("replicas", fragment(&parts.replicas)?),
        ];
        let mut finished = true;
        if let Some(mut place) = self.place {
            let lines;
            (lines, finished) = log::next(app, self.id, &mut place).await?;
            if !lines.is_empty() {
                news.push(Part::News {
                    name: "log",
                    data: fragment(&Lines { lines })?,
                    id: place.to_string(),
                });
            }
            self.place = Some(place);
        }
        Ok(Update {
            parts: news,
            last: parts.settled && finished,
        })
    }
}
