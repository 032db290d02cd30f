//! `starling status`: the whole way of a build or deployment.

use super::{Session, build, deploy, distribution};
use crate::api_client::Error;
use crate::output::{between, bytes, seconds, table};
use clap::Args;
use console::wire::{BuildDetail, DeploymentDetail, DeploymentStep, Overview};
use jiff::Timestamp;
use std::process::ExitCode;
use uuid::Uuid;

/// Arguments of `starling status`.
#[derive(Debug, Args)]
pub struct Options {
    /// A build or deployment; everything at a glance without one.
    id: Option<Uuid>,
}

pub async fn run(options: &Options, session: &Session) -> anyhow::Result<ExitCode> {
    match options.id {
        None => {
            let overview: Overview = session.api.get("/v1/overview").await?;
            session.form.print(&overview, overview_text)?;
        }
        Some(id) => one(id, session).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A build's and a deployment's identifiers look alike, so the first answer that is there counts.
async fn one(id: Uuid, session: &Session) -> anyhow::Result<()> {
    match session.api.get::<BuildDetail>(&format!("/v1/builds/{id}")).await {
        Ok(detail) => session.form.print(&detail, build_text),
        Err(Error::Refused(refusal)) if refusal.status == 404 => {
            let detail: DeploymentDetail = session.api.get(&format!("/v1/deployments/{id}")).await?;
            session.form.print(&detail, deployment_text)
        }
        Err(error) => Err(error.into()),
    }
}

fn overview_text(overview: &Overview) -> String {
    let counts = &overview.builds;
    let names: Vec<String> = overview
        .regions
        .iter()
        .map(|region| region.name.to_string())
        .collect();
    format!(
        "{} queued, {} running, {} succeeded, {} failed; regions: {}\n\n{}\n\n{}",
        counts.queued,
        counts.running,
        counts.succeeded,
        counts.failed,
        names.join(", "),
        build::builds_table(&overview.latest_builds),
        deploy::deployments_table(&overview.latest_deployments),
    )
}

fn build_text(detail: &BuildDetail) -> String {
    let one = &detail.build;
    let mut text = format!(
        "build {}  {}\n{} {} ({}) by {}\n",
        one.id,
        one.state,
        one.target,
        one.commit.short(),
        one.revision,
        one.actor
    );
    if let Some(version) = &one.version {
        text += &format!("version: {version}\n");
    }
    if let Some(reason) = &one.reason {
        text += &format!("why: {reason}\n");
    }
    if let Some(earlier) = detail.reused_from {
        text += &format!("none of its inputs has changed since build {earlier}, whose result this is\n");
    }
    let rows = detail.phases.iter().map(|phase| {
        let took = between(Some(phase.started_at), phase.finished_at).map_or_else(|| "…".to_owned(), seconds);
        [
            phase.attempt.0.to_string(),
            phase.phase.to_string(),
            phase.worker.to_string(),
            took,
        ]
    });
    text += &format!("\n{}\n", table(["ATTEMPT", "PHASE", "WORKER", "TOOK"], rows));
    let rows = detail.replicas.iter().map(|replica| {
        let copied = format!(
            "{} of {}",
            bytes(replica.copied_bytes),
            bytes(replica.total_bytes)
        );
        [
            replica.region.to_string(),
            replica.state.to_string(),
            copied,
            replica.reason.clone().unwrap_or_default(),
        ]
    });
    text += &format!("\n{}\n", table(["REGION", "REPLICA", "COPIED", "REASON"], rows));
    if !detail.deployments.is_empty() {
        text += &format!("\n{}\n", deploy::deployments_table(&detail.deployments));
    }
    text
}

/// A deployment's whole way, as `deploy` also prints it at the end.
pub fn deployment_text(detail: &DeploymentDetail) -> String {
    let one = &detail.deployment;
    let what = if one.rollback { "rolls back to" } else { "release" };
    let mut text = format!(
        "deployment {}  {}\n{} {what} {} by {}\n",
        one.id,
        deploy::state_text(one),
        one.service,
        one.release,
        one.actor
    );
    if let Some(reason) = &one.reason {
        text += &format!("why: {reason}\n");
    }
    if let Some(alarm) = &one.alarm {
        text += &format!("alarm: {alarm}\n");
    }
    if let Some(waits_for) = &one.waits_for {
        text += &format!("waits for: {waits_for}\n");
    }
    let rows = detail.regions.iter().map(|region| {
        let transfer = &region.transfer;
        let distribution = region.distribution.as_ref();
        [
            region.region.to_string(),
            region.replica.map(|state| state.to_string()).unwrap_or_default(),
            format!("{}/{}", region.staged, region.hosts),
            format!("{}/{}", region.healthy, region.hosts),
            region.errors.to_string(),
            bytes(transfer.seed_bytes),
            bytes(transfer.peer_bytes),
            bytes(transfer.local_bytes),
            distribution.map(distribution::progress_text).unwrap_or_default(),
            distribution.map(distribution::left_text).unwrap_or_default(),
        ]
    });
    let header = [
        "REGION",
        "REPLICA",
        "STAGED",
        "HEALTHY",
        "ERRORS",
        "FROM SEED",
        "FROM PEERS",
        "FOUND",
        "BYTES",
        "TIME LEFT",
    ];
    text += &format!("\n{}\n", table(header, rows));
    let rows = detail.instances.iter().map(|host| {
        let instance = &host.instance;
        [
            host.region.to_string(),
            host.host.to_string(),
            instance.state.to_string(),
            instance
                .running_release
                .map(|release| release.to_string())
                .unwrap_or_default(),
            instance.port.map(|port| port.to_string()).unwrap_or_default(),
            instance.reason.clone().unwrap_or_default(),
        ]
    });
    text += &format!(
        "\n{}\n",
        table(["REGION", "HOST", "STATE", "RUNS", "PORT", "REASON"], rows)
    );
    text += &format!("\n{}", steps_text(one.created_at, &detail.steps));
    text
}

fn steps_text(start: Timestamp, steps: &[DeploymentStep]) -> String {
    let rows = steps.iter().map(|step| {
        let after = between(Some(start), Some(step.at))
            .map(seconds)
            .unwrap_or_default();
        [
            format!("+{after}"),
            step.state.to_string(),
            step.reason.clone().unwrap_or_default(),
        ]
    });
    table(["AFTER", "STATE", "REASON"], rows)
}
