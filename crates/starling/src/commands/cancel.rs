//! `starling cancel`.

use super::Session;
use crate::api_client::Error;
use clap::Args;
use console::wire::{Build, Deployment};
use reqwest::Method;
use std::process::ExitCode;
use uuid::Uuid;

/// Arguments of `starling cancel`.
#[derive(Debug, Args)]
pub struct Options {
    /// A build or deployment.
    id: Uuid,
}

/// A build's and a deployment's identifiers look alike, so whichever is there is cancelled.
pub async fn run(options: &Options, session: &Session) -> anyhow::Result<ExitCode> {
    let Session { api, form } = session;
    let id = options.id;
    match api
        .send_json::<_, Build>(Method::POST, &format!("/v1/builds/{id}/cancel"), &())
        .await
    {
        Ok(build) => form.print(&build, |build| format!("build {} is {}", build.id, build.state))?,
        Err(Error::Refused(refusal)) if refusal.status == 404 => {
            let path = format!("/v1/deployments/{id}/cancel");
            let deployment: Deployment = api.send_json(Method::POST, &path, &()).await?;
            form.print(&deployment, |deployment| {
                format!("deployment {} is {}", deployment.id, deployment.state)
            })?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}
