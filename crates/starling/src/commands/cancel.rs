//! `starling cancel`.

use super::Session;
use crate::api_client::Error;
use clap::Args;
use console::wire::{BuildDetail, CancelQueued, CancelledQueued, DeploymentDetail};
use model::RepositoryName;
use reqwest::Method;
use std::process::ExitCode;
use uuid::Uuid;

/// Arguments of `starling cancel`.
#[derive(Debug, Args)]
pub struct Options {
    /// A build or deployment.
    #[arg(required_unless_present = "queued")]
    id: Option<Uuid>,
    /// Cancel every build that waits; what runs goes on.
    #[arg(long, conflicts_with = "id")]
    queued: bool,
    /// Only those of this repository.
    #[arg(long, requires = "queued", value_name = "NAME")]
    repository: Option<RepositoryName>,
}

pub async fn run(options: Options, session: &Session) -> anyhow::Result<ExitCode> {
    match options.id {
        Some(id) => one(id, session).await,
        None => queued(options.repository, session).await,
    }
}

async fn queued(repository: Option<RepositoryName>, session: &Session) -> anyhow::Result<ExitCode> {
    let request = CancelQueued { repository };
    let answer: CancelledQueued = session
        .api
        .send_json(Method::POST, "/v1/builds/cancel", &request)
        .await?;
    session.form.print(&answer, |answer| {
        format!("{} waiting builds are CANCELLED", answer.cancelled)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A build's and a deployment's identifiers look alike, so whichever is there is cancelled.
async fn one(id: Uuid, session: &Session) -> anyhow::Result<ExitCode> {
    let Session { api, form } = session;
    match api
        .send_json::<_, BuildDetail>(Method::POST, &format!("/v1/builds/{id}/cancel"), &())
        .await
    {
        Ok(detail) => form.print(&detail, |detail| {
            format!("build {} is {}", detail.build.id, detail.build.state)
        })?,
        Err(Error::Refused(refusal)) if refusal.status == 404 => {
            let path = format!("/v1/deployments/{id}/cancel");
            let detail: DeploymentDetail = api.send_json(Method::POST, &path, &()).await?;
            form.print(&detail, |DeploymentDetail { deployment, .. }| {
                format!("deployment {} is {}", deployment.id, deployment.state)
            })?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}
