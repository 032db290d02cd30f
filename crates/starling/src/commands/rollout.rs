//! `starling rollback` and `starling rollout`.

use super::{Session, deploy, status};
use crate::output::table;
use clap::{Args, Subcommand};
use console::wire::{DeployStatus, Deployment, DeploymentDetail, OfService, RollBack};
use model::{ReleaseNumber, ServiceName};
use reqwest::Method;
use std::process::ExitCode;

/// Arguments of `starling rollback`.
#[derive(Debug, Args)]
pub struct RollBackOptions {
    /// What goes back.
    service: ServiceName,
    /// To this release; to the last one that succeeded otherwise.
    #[arg(long, value_name = "RELEASE")]
    to: Option<i64>,
    /// Why, for whoever reads of it later.
    #[arg(long)]
    reason: Option<String>,
    /// Return as soon as the rollback is confirmed.
    #[arg(long)]
    detach: bool,
}

/// What can be said to a rollout under way.
#[derive(Debug, Subcommand)]
pub enum RolloutCommand {
    /// List what is in flight, what waits and for what, what is watched after it has succeeded, and what is held.
    Status,
    /// Hold a service's rollout where it is.
    Pause(Which),
    /// Let a paused rollout go on.
    Resume(Which),
    /// Allow the next step of a rollout that waits for an engineer's word.
    Step(Which),
    /// End a rollout; hosts that have the release keep it.
    Abort(Which),
    /// Let automatic deployments go on after a rollback.
    Lift(Which),
}

/// Arguments of most of `starling rollout`.
#[derive(Debug, Args)]
pub struct Which {
    /// Whose rollout.
    service: ServiceName,
}

pub async fn roll_back(options: RollBackOptions, session: &Session) -> anyhow::Result<ExitCode> {
    let wish = RollBack {
        service: options.service,
        to: options.to.map(ReleaseNumber),
        reason: options.reason,
    };
    let api = &session.api;
    let deployment: Deployment = api.send_json(Method::POST, "/v1/deploy/rollback", &wish).await?;
    deploy::follow(session, deployment, options.detach).await
}

pub async fn run(command: RolloutCommand, session: &Session) -> anyhow::Result<ExitCode> {
    let (verb, which) = match command {
        RolloutCommand::Status => return show(session).await,
        RolloutCommand::Lift(which) => return lift(which, session).await,
        RolloutCommand::Pause(which) => ("pause", which),
        RolloutCommand::Resume(which) => ("resume", which),
        RolloutCommand::Step(which) => ("progress", which),
        RolloutCommand::Abort(which) => ("abort", which),
    };
    let request = OfService {
        service: which.service,
    };
    let path = format!("/v1/deploy/{verb}");
    let detail: DeploymentDetail = session.api.send_json(Method::POST, &path, &request).await?;
    session.form.print(&detail, status::deployment_text)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(session: &Session) -> anyhow::Result<ExitCode> {
    let status: DeployStatus = session.api.get("/v1/deploy/status").await?;
    session.form.print(&status, status_text)?;
    Ok(ExitCode::SUCCESS)
}

fn status_text(status: &DeployStatus) -> String {
    let moving = status.in_flight.iter().chain(&status.queued);
    let rows = moving.chain(&status.watched).map(|deployment| {
        [
            deployment.service.to_string(),
            deployment.release.to_string(),
            deploy::state_text(deployment),
            deployment
                .waits_for
                .clone()
                .unwrap_or_else(|| watch_text(deployment)),
        ]
    });
    let mut text = table(["SERVICE", "RELEASE", "STATE", "WAITS FOR"], rows);
    if !status.holds.is_empty() {
        let rows = status.holds.iter().map(|hold| {
            [
                hold.service.to_string(),
                hold.actor.to_string(),
                hold.reason.clone(),
            ]
        });
        text += &format!("\n\n{}", table(["HELD SERVICE", "BY", "WHY"], rows));
    }
    text
}

/// What is watched of a release that has succeeded, and what was seen.
fn watch_text(deployment: &Deployment) -> String {
    let until = deployment.watched_until;
    match (&deployment.alarm, until) {
        (Some(alarm), _) => format!("ALARM: {alarm}"),
        (None, Some(until)) => format!("watched until {until:.0}"),
        (None, None) => String::new(),
    }
}

async fn lift(which: Which, session: &Session) -> anyhow::Result<ExitCode> {
    let request = OfService {
        service: which.service,
    };
    session
        .api
        .send_empty(Method::POST, "/v1/deploy/lift", &request)
        .await?;
    Ok(ExitCode::SUCCESS)
}
