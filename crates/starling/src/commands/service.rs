//! `starling service`.

use super::Session;
use crate::output::table;
use anyhow::Context as _;
use clap::Subcommand;
use console::wire::{Service, ServiceList};
use model::project::ProjectFile;
use reqwest::Method;
use std::path::PathBuf;
use std::process::ExitCode;

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Register every service of a starling.toml, or change it.
    Apply {
        /// The file.
        #[arg(default_value = model::project::PROJECT_FILE)]
        file: PathBuf,
    },
    /// List the services and what they run.
    List,
}

pub async fn run(command: ServiceCommand, session: &Session) -> anyhow::Result<ExitCode> {
    let list = match command {
        ServiceCommand::Apply { file } => apply(&file, session).await?,
        ServiceCommand::List => session.api.get("/v1/services").await?,
    };
    session.form.print(&list, |list| {
        let rows = list.services.iter().map(|service| {
            let deployment = service.deployment.as_ref();
            [
                service.name.to_string(),
                service.spec.target.to_string(),
                deployment
                    .map(|deployment| deployment.release.to_string())
                    .unwrap_or_default(),
                deployment
                    .map(|deployment| deployment.state.to_string())
                    .unwrap_or_default(),
            ]
        });
        table(["SERVICE", "TARGET", "RELEASE", "DEPLOYMENT"], rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn apply(file: &std::path::Path, session: &Session) -> anyhow::Result<ServiceList> {
    let text = fs_err::read_to_string(file)?;
    let project = ProjectFile::parse(&text).with_context(|| format!("{} is not valid", file.display()))?;
    anyhow::ensure!(
        !project.services.is_empty(),
        "{} declares no service; add a [services.NAME] table",
        file.display()
    );
    let mut services = Vec::with_capacity(project.services.len());
    for (name, spec) in &project.services {
        let service: Service = session
            .api
            .send_json(Method::PUT, &format!("/v1/services/{name}"), spec)
            .await?;
        services.push(service);
    }
    Ok(ServiceList { services })
}
