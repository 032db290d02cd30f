//! A deployment's waves, what it waits for, what may still fail, and the buttons that steer it.

use crate::app::App;
use crate::extract::{Engineer, Id};
use crate::refusal::Refusal;
use crate::wire::{self, DeploymentDetail, FailureBudget};
use crate::{deploy, format};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use model::{DeploymentId, DeploymentState};

/// The part of the page that is about the rollout.
#[derive(Template)]
#[template(path = "parts/deployment_rollout.html")]
pub(super) struct Part {
    deployment: wire::Deployment,
    waves: Vec<WaveRow>,
    budget: Option<FailureBudget>,
    /// Seconds until the present wave has been watched for long enough.
    bakes_for: Option<i64>,
    /// Until when a release that has succeeded is watched, while it is.
    watched_until: Option<Timestamp>,
}

/// One wave.
struct WaveRow {
    name: String,
    hosts: String,
    /// Whether it is done, now, or to come; a class, too.
    standing: &'static str,
}

impl Part {
    pub(super) fn new(detail: &DeploymentDetail, now: Timestamp) -> Self {
        let deployment = detail.deployment.clone();
        Self {
            waves: waves(&deployment),
            budget: detail.budget,
            bakes_for: bakes_for(&deployment, now),
            watched_until: deployment.watched_until.filter(|until| now < *until),
            deployment,
        }
    }

    fn in_flight(&self) -> bool {
        self.deployment.state.is_in_flight() && !self.deployment.queued
    }

    /// Whether anything of it may still change.
    pub(super) fn is_live(&self) -> bool {
        !self.deployment.state.is_terminal() || self.watched_until.is_some()
    }

    /// How long it is watched once it has succeeded.
    fn watched_for(&self) -> String {
        format::milliseconds(i64::from(self.deployment.policy.watch_seconds) * 1_000)
    }

    fn paused(&self) -> bool {
        self.deployment.state == DeploymentState::Paused
    }

    /// Whether there is anything that could be taken back.
    fn may_roll_back(&self) -> bool {
        !self.deployment.rollback && (self.in_flight() || self.deployment.state == DeploymentState::Succeeded)
    }
}

fn waves(deployment: &wire::Deployment) -> Vec<WaveRow> {
    let ended = deployment.state == DeploymentState::Succeeded;
    let begun = !matches!(
        deployment.state,
        DeploymentState::Pending | DeploymentState::Precheck | DeploymentState::Staging
    );
    let rows = deployment.waves.iter().enumerate().map(|(number, wave)| WaveRow {
        name: wave.name.clone(),
        hosts: wave.hosts.to_string(),
        standing: match number.cmp(&deployment.wave) {
            _ if ended => "done",
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Equal if begun => "now",
            _ => "to-come",
        },
    });
    rows.collect()
}

fn bakes_for(deployment: &wire::Deployment, now: Timestamp) -> Option<i64> {
    let wave = deployment.waves.get(deployment.wave)?;
    let seconds = wave.bake_seconds.unwrap_or(deployment.policy.bake_seconds);
    let watched = now.as_second() - deployment.changed_at.as_second();
    let left = (i64::from(seconds) - watched).max(0);
    (deployment.state == DeploymentState::Bake).then_some(left)
}

fn back_to(id: DeploymentId) -> Response {
    Redirect::to(&format!("/deployments/{id}")).into_response()
}

/// `POST /deployments/{id}/pause`. Pausing what has ended changes nothing, and shows how it ended.
pub(crate) async fn pause(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    app.builds.pause_deployment(id, &actor).await?;
    Ok(back_to(id))
}

/// `POST /deployments/{id}/resume`.
pub(crate) async fn resume(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    app.builds.resume_deployment(id, &actor).await?;
    Ok(back_to(id))
}

/// `POST /deployments/{id}/step`.
pub(crate) async fn step(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    app.builds.allow_step(id, &actor).await?;
    Ok(back_to(id))
}

/// `POST /deployments/{id}/rollback`; shows the rollback.
pub(crate) async fn roll_back(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    let found = app.builds.deployment(id).await?;
    let deployment = found.ok_or(Refusal::UnknownDeployment(id))?;
    let wish = wire::RollBack {
        service: deployment.service,
        to: None,
        reason: None,
    };
    let rollback = deploy::roll_back(&app, &actor, wish).await?;
    Ok(back_to(rollback.id))
}
