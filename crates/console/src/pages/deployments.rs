//! The list of deployments.

use super::badge;
use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::{Engineer, Query};
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{DeploymentList, LIST_LIMIT_DEFAULT};
use crate::{assets, format, live, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use model::DeploymentId;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "deployments.html")]
struct Page {
    frame: Frame,
    rows: Rows,
    /// Whether this is the first page, which alone is live.
    newest: bool,
}

#[derive(Template)]
#[template(path = "parts/deployment_rows.html")]
pub(super) struct Rows {
    pub(super) list: DeploymentList,
    pub(super) now: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Position {
    before: Option<DeploymentId>,
}

async fn rows(app: &App, before: Option<DeploymentId>) -> Result<Rows, Refusal> {
    Ok(Rows {
        list: read::deployments(app, LIST_LIMIT_DEFAULT, before).await?,
        now: Timestamp::now(),
    })
}

/// `GET /deployments`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Query(position): Query<Position>,
) -> Result<Response, Refusal> {
    let page = Page {
        frame: Frame::new("/deployments", &actor),
        rows: rows(&app, position.before).await?,
        newest: position.before.is_none(),
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `GET /deployments/live`.
pub(crate) async fn live(State(app): State<App>, _: Engineer) -> Result<Response, Refusal> {
    live::answer(app, Newest).await
}

struct Newest;

impl Feed for Newest {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        Ok(Update {
            parts: vec![Part::state("rows", fragment(&rows(app, None).await?)?)],
            last: false,
        })
    }
}
