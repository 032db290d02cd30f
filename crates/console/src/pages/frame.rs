//! What every page has around it, and how a page says no.

use super::frame;
use crate::assets;
use crate::refusal::Refusal;
use crate::wire::ErrorDetail;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use model::Actor;

/// Address and name of each section, in the order of the menu.
pub(crate) const SECTIONS: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/builds", "Builds"),
    ("/deployments", "Deployments"),
    ("/services", "Services"),
    ("/instances", "Instances"),
    ("/nodes", "Nodes"),
    ("/audit", "Audit"),
];

/// The frame of one page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The address of the section that the page belongs to.
    pub(crate) section: &'static str,
    /// Who looks at it.
    pub(crate) actor: String,
}

impl Frame {
    pub(crate) fn new(section: &'static str, actor: &Actor) -> Self {
        Self {
            section,
            actor: actor.to_string(),
        }
    }

    /// For a page that nobody had to log in for.
    pub(crate) const fn bare() -> Self {
        Self {
            section: "",
            actor: String::new(),
        }
    }

    /// Whether the page belongs to the section at this address.
    pub(crate) fn is_in(&self, address: &str) -> bool {
        self.section == address
    }
}

/// A rendered page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => Refusal::Internal(Box::new(error)).into_response(),
    }
}

/// A rendered part of a page, for a live stream.
pub(crate) fn fragment(part: &impl Template) -> Result<String, Refusal> {
    part.render().map_err(|error| Refusal::Internal(Box::new(error)))
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    refusal: ErrorDetail,
}

/// A refusal as a page.
pub(crate) fn refusal(status: StatusCode, refusal: ErrorDetail) -> Response {
    let frame = Frame::bare();
    html(status, &ErrorPage { frame, refusal })
}
