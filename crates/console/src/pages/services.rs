//! The services: what each runs, and how its newest deployment stands.

use super::badge;
use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::Engineer;
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::Service;
use crate::{assets, format, live, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

#[derive(Template)]
#[template(path = "services.html")]
struct Page {
    frame: Frame,
    rows: Rows,
}

#[derive(Template)]
#[template(path = "parts/service_rows.html")]
struct Rows {
    services: Vec<Service>,
    now: Timestamp,
}

async fn rows(app: &App) -> Result<Rows, Refusal> {
    Ok(Rows {
        services: read::services(app).await?,
        now: Timestamp::now(),
    })
}

/// `GET /services`.
pub(crate) async fn page(State(app): State<App>, Engineer(actor): Engineer) -> Result<Response, Refusal> {
    let page = Page {
        frame: Frame::new("/services", &actor),
        rows: rows(&app).await?,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `GET /services/live`.
pub(crate) async fn live(State(app): State<App>, _: Engineer) -> Result<Response, Refusal> {
    live::answer(app, All).await
}

struct All;

impl Feed for All {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        Ok(Update {
            parts: vec![Part::state("rows", fragment(&rows(app).await?)?)],
            last: false,
        })
    }
}
