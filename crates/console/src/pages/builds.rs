//! The list of builds, and the form that asks for one.

use super::badge;
use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::{Engineer, Form, Query};
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{BuildList, ErrorDetail, LIST_LIMIT_DEFAULT, NewBuild};
use crate::{assets, enqueue, format, live, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use model::{BuildId, BuildState, Priority};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Template)]
#[template(path = "builds.html")]
struct Page {
    frame: Frame,
    repositories: Vec<String>,
    /// Targets that were built lately, to choose from.
    targets: BTreeSet<String>,
    form: BuildForm,
    refusal: Option<ErrorDetail>,
    rows: Rows,
}

#[derive(Template)]
#[template(path = "parts/build_rows.html")]
pub(super) struct Rows {
    pub(super) list: BuildList,
    pub(super) now: Timestamp,
    /// Whether this is the first page, which alone is live.
    pub(super) newest: bool,
}

/// What was written into the form, right or wrong.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BuildForm {
    repository: String,
    revision: String,
    target: String,
    #[serde(default)]
    force: bool,
}

impl BuildForm {
    fn wants(&self, repository: &str) -> bool {
        self.repository == repository
    }

    fn checked(&self) -> Result<NewBuild, Refusal> {
        fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
            text.trim()
                .parse()
                .map_err(|error: T::Err| Refusal::Invalid(error.to_string()))
        }
        Ok(NewBuild {
            repository: parse(&self.repository)?,
            revision: parse(&self.revision)?,
            target: parse(&self.target)?,
            force: self.force,
            priority: Priority::default(),
            supersede: false,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Position {
    before: Option<BuildId>,
}

/// `GET /builds`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Query(position): Query<Position>,
) -> Result<Response, Refusal> {
    let frame = Frame::new("/builds", &actor);
    let page = assemble(&app, frame, position.before, BuildForm::default(), None).await?;
    Ok(frame::html(StatusCode::OK, &page))
}

/// `POST /builds`. A refusal shows the form again, with what was written and what is wrong.
pub(crate) async fn enqueue(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Form(form): Form<BuildForm>,
) -> Result<Response, Refusal> {
    let outcome = match form.checked() {
        Ok(request) => enqueue::enqueue(&app, &actor, request).await,
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(enqueued) => Ok(Redirect::to(&format!("/builds/{}", enqueued.build.id)).into_response()),
        Err(refusal) => {
            refusal.log();
            let frame = Frame::new("/builds", &actor);
            let detail = refusal.body().error;
            let page = assemble(&app, frame, None, form, Some(detail)).await?;
            Ok(frame::html(refusal.code().1, &page))
        }
    }
}

async fn assemble(
    app: &App,
    frame: Frame,
    before: Option<BuildId>,
    form: BuildForm,
    refusal: Option<ErrorDetail>,
) -> Result<Page, Refusal> {
    let repositories = app.jobs.repositories().await?;
    let rows = rows(app, before).await?;
    Ok(Page {
        frame,
        repositories: repositories
            .into_iter()
            .map(|repository| repository.name.to_string())
            .collect(),
        targets: rows
            .list
            .builds
            .iter()
            .map(|build| build.target.to_string())
            .collect(),
        form,
        refusal,
        rows,
    })
}

async fn rows(app: &App, before: Option<BuildId>) -> Result<Rows, Refusal> {
    Ok(Rows {
        list: read::builds(app, LIST_LIMIT_DEFAULT, before).await?,
        now: Timestamp::now(),
        newest: before.is_none(),
    })
}

/// `GET /builds/live`.
pub(crate) async fn live(State(app): State<App>, _: Engineer) -> Result<Response, Refusal> {
    live::answer(app, Newest).await
}

struct Newest;

impl Feed for Newest {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let data = fragment(&rows(app, None).await?)?;
        Ok(Update {
            parts: vec![Part::state("rows", data)],
            last: false,
        })
    }
}
