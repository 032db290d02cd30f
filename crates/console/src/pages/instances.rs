//! The instances: every host and program that takes part, what it runs and how it is.

use super::badge;
use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::{Engineer, Query};
use crate::inventory::{self, Wanted};
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::InstanceList;
use crate::{assets, format, live};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::InstanceHealth;

#[derive(Template)]
#[template(path = "instances.html")]
struct Page {
    frame: Frame,
    rows: Rows,
    /// The labels that were asked for.
    labels: String,
    /// The status that was asked for; empty where any was.
    status: &'static str,
    /// Where news come from; empty on later pages, which are not live.
    live: String,
}

impl Page {
    /// What one can ask for.
    fn statuses(&self) -> impl Iterator<Item = &'static str> {
        InstanceHealth::ALL.iter().map(|status| status.as_str())
    }
}

#[derive(Template)]
#[template(path = "parts/instance_rows.html")]
struct Rows {
    list: InstanceList,
    /// What leads to the next page.
    more: String,
    filtered: bool,
}

async fn rows(app: &App, wanted: &Wanted) -> Result<Rows, Refusal> {
    let list = inventory::list(app, wanted).await?;
    let (labels, status) = (wanted.labels(), wanted.status());
    Ok(Rows {
        more: list.next.as_ref().map_or_else(String::new, |next| {
            format!(
                "/instances?label={}&status={status}&after={next}",
                encoded(&labels)
            )
        }),
        filtered: !labels.is_empty() || !status.is_empty(),
        list,
    })
}

/// A selector as it stands in an address: of what it may hold only these mean something else there.
fn encoded(labels: &str) -> String {
    labels.replace('+', "%2B").replace('=', "%3D")
}

/// `GET /instances`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&pairs)?;
    let (labels, status) = (wanted.labels(), wanted.status());
    let page = Page {
        frame: Frame::new("/instances", &actor),
        rows: rows(&app, &wanted).await?,
        live: if wanted.is_first() {
            format!("/instances/live?label={}&status={status}", encoded(&labels))
        } else {
            String::new()
        },
        labels,
        status,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `GET /instances/live`.
pub(crate) async fn live(
    State(app): State<App>,
    _: Engineer,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    live::answer(app, First(Wanted::read(&pairs)?)).await
}

struct First(Wanted);

impl Feed for First {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        Ok(Update {
            parts: vec![Part::state("rows", fragment(&rows(app, &self.0).await?)?)],
            last: false,
        })
    }
}
