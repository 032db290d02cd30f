//! The whole at a glance.

use super::badge;
use super::builds::Rows as BuildRows;
use super::deployments::Rows as DeploymentRows;
use super::frame::{self, Frame, fragment};
use crate::app::App;
use crate::extract::Engineer;
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{BuildCounts, BuildList, DeploymentList, RegionSummary, Service};
use crate::{assets, live, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use model::BuildState;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    parts: Parts,
}

#[derive(Template)]
#[template(path = "parts/overview_state.html")]
struct Now {
    counts: BuildCounts,
    regions: Vec<RegionSummary>,
    services: Vec<Service>,
}

struct Parts {
    now: Now,
    builds: BuildRows,
    deployments: DeploymentRows,
}

impl Now {
    fn counts(&self) -> [(BuildState, u32); 5] {
        let counts = &self.counts;
        [
            (BuildState::Running, counts.running),
            (BuildState::Queued, counts.queued),
            (BuildState::Succeeded, counts.succeeded),
            (BuildState::Failed, counts.failed),
            (BuildState::Cancelled, counts.cancelled),
        ]
    }
}

async fn parts(app: &App) -> Result<Parts, Refusal> {
    let overview = read::overview(app).await?;
    let now = Timestamp::now();
    Ok(Parts {
        now: Now {
            counts: overview.builds,
            regions: overview.regions,
            services: overview.services,
        },
        builds: BuildRows {
            list: BuildList {
                builds: overview.latest_builds,
                next: None,
            },
            now,
            newest: true,
        },
        deployments: DeploymentRows {
            list: DeploymentList {
                deployments: overview.latest_deployments,
                next: None,
            },
            now,
        },
    })
}

/// `GET /`.
pub(crate) async fn page(State(app): State<App>, Engineer(actor): Engineer) -> Result<Response, Refusal> {
    let page = Page {
        frame: Frame::new("/", &actor),
        parts: parts(&app).await?,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `GET /live`.
pub(crate) async fn live(State(app): State<App>, _: Engineer) -> Result<Response, Refusal> {
    live::answer(app, Everything).await
}

struct Everything;

impl Feed for Everything {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let parts = parts(app).await?;
        Ok(Update {
            parts: vec![
                Part::state("now", fragment(&parts.now)?),
                Part::state("builds", fragment(&parts.builds)?),
                Part::state("deployments", fragment(&parts.deployments)?),
            ],
            last: false,
        })
    }
}
