//! What a deployment would change, region by region, shown before it is confirmed.

use super::badge;
use super::frame::{self, Frame};
use crate::app::App;
use crate::extract::{Engineer, Form, Id, Query};
use crate::refusal::Refusal;
use crate::wire::{self, NewDeployment, RegionDiff, SettingChange, ShipDiff, ShippedCommit};
use crate::{assets, deploy, diff, rows};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use model::code::Code;
use model::rollout::Strategy;
use model::{BuildId, RolloutPolicy, Selector, ServiceName, WhenBusy};
use serde::Deserialize;
use serde_json::Value;

#[derive(Template)]
#[template(path = "ship.html")]
struct Page {
    frame: Frame,
    diff: ShipDiff,
    groups: Vec<Group>,
    /// What is in flight of the service.
    busy: Option<wire::Deployment>,
    /// What waits for that, and would be replaced.
    queued: Option<wire::Deployment>,
    /// Strategies by their names; the first is the usual one.
    strategies: Vec<String>,
}

/// Hosts for which the same would change.
struct Group {
    /// `east: release 3 of 0123abc on 4 hosts`; a region's name, where nothing runs.
    places: Vec<String>,
    added: Vec<ShippedCommit>,
    removed: Vec<ShippedCommit>,
    more: bool,
    unknown: Option<String>,
    settings: Vec<Setting>,
    /// Whether anything runs there.
    runs: bool,
}

/// A setting that would change, its values in words.
#[derive(PartialEq)]
struct Setting {
    name: String,
    before: String,
    after: String,
}

impl Group {
    fn of(region: RegionDiff) -> Self {
        Self {
            places: vec![place(&region)],
            runs: region.running.is_some(),
            added: region.added,
            removed: region.removed,
            more: region.more,
            unknown: region.unknown,
            settings: region.settings.into_iter().map(setting).collect(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.runs == other.runs
            && self.added == other.added
            && self.removed == other.removed
            && self.unknown == other.unknown
            && self.settings == other.settings
    }

    fn is_empty(&self) -> bool {
        self.runs
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.unknown.is_none()
            && self.settings.is_empty()
    }

    /// Commits with the sign, and the word, that says which way they go.
    fn commits(&self) -> impl Iterator<Item = (&'static str, &'static str, &ShippedCommit)> {
        let added = self.added.iter().map(|commit| ("+", "comes", commit));
        added.chain(self.removed.iter().map(|commit| ("−", "goes", commit)))
    }
}

fn place(region: &RegionDiff) -> String {
    match &region.running {
        None => region.region.to_string(),
        Some(running) => format!(
            "{}: release {} of {} on {} host{}",
            region.region,
            running.release,
            running.commit.short(),
            running.hosts,
            if running.hosts == 1 { "" } else { "s" }
        ),
    }
}

fn setting(change: SettingChange) -> Setting {
    let words = |value: Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    Setting {
        name: change.name,
        before: words(change.before),
        after: words(change.after),
    }
}

fn groups(regions: Vec<RegionDiff>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for group in regions.into_iter().map(Group::of) {
        match groups.iter_mut().find(|known| known.is_like(&group)) {
            Some(known) => known.places.extend(group.places),
            None => groups.push(group),
        }
    }
    groups
}

/// Every strategy that needs no file, the usual one first.
fn strategies() -> Vec<String> {
    let usual = RolloutPolicy::default().strategy;
    let others = Strategy::ALL.into_iter().filter(|strategy| *strategy != usual);
    let all = std::iter::once(usual).chain(others);
    all.filter(|strategy| *strategy != Strategy::Waves)
        .map(|strategy| strategy.to_string())
        .collect()
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    service: ServiceName,
}

/// `GET /builds/{id}/ship?service=NAME`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(build): Id<BuildId>,
    Query(Wanted { service }): Query<Wanted>,
) -> Result<Response, Refusal> {
    let mut diff = diff::ship_diff(&app, &service, &Code::Build(build), None).await?;
    let groups = groups(std::mem::take(&mut diff.regions));
    let mut in_flight = app.builds.deployments_in_flight().await?.into_iter();
    let mut queued = app.builds.queued_deployments().await?.into_iter();
    let page = Page {
        frame: Frame::new("/builds", &actor),
        groups,
        busy: in_flight.find(|row| row.service == service).map(rows::deployment),
        queued: queued.find(|row| row.service == service).map(rows::deployment),
        strategies: strategies(),
        diff,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Confirmed {
    service: ServiceName,
    #[serde(default)]
    when_busy: WhenBusy,
    #[serde(default)]
    strategy: Strategy,
    #[serde(default)]
    labels: Selector,
}

/// `POST /builds/{id}/deploy`; shows the deployment.
pub(crate) async fn confirm(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(build): Id<BuildId>,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Refusal> {
    let request = NewDeployment {
        when_busy: confirmed.when_busy,
        labels: confirmed.labels,
        configuration: RolloutPolicy {
            strategy: confirmed.strategy,
            ..RolloutPolicy::default()
        },
        ..NewDeployment::new(confirmed.service, Code::Build(build))
    };
    let deployment = deploy::deploy(&app, &actor, request).await?;
    Ok(Redirect::to(&format!("/deployments/{}", deployment.id)).into_response())
}
