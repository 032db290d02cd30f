//! The nodes of the regions' swarms: who was let in, until when, and who was put out again.

use super::badge;
use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::{Engineer, Query};
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{LIST_LIMIT_DEFAULT, NodeList};
use crate::{assets, format, live, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "nodes.html")]
struct Page {
    frame: Frame,
    rows: Rows,
    /// Whether this is the first page, which alone is live.
    first: bool,
}

#[derive(Template)]
#[template(path = "parts/node_rows.html")]
struct Rows {
    list: NodeList,
    now: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Position {
    after: Option<String>,
}

async fn rows(app: &App, after: Option<&str>) -> Result<Rows, Refusal> {
    Ok(Rows {
        list: read::nodes(app, None, after, LIST_LIMIT_DEFAULT).await?,
        now: Timestamp::now(),
    })
}

/// `GET /nodes`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Query(position): Query<Position>,
) -> Result<Response, Refusal> {
    let page = Page {
        frame: Frame::new("/nodes", &actor),
        rows: rows(&app, position.after.as_deref()).await?,
        first: position.after.is_none(),
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `GET /nodes/live`.
pub(crate) async fn live(State(app): State<App>, _: Engineer) -> Result<Response, Refusal> {
    live::answer(app, First).await
}

struct First;

impl Feed for First {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        Ok(Update {
            parts: vec![Part::state("rows", fragment(&rows(app, None).await?)?)],
            last: false,
        })
    }
}
