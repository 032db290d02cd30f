//! `starling api`: the API and the console.

use super::parts;
use crate::observe;
use anyhow::Context as _;
use console::Token;
use model::repository::LocalRepositories;
use repository_mirror::Mirrors;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where `/` and `/v1` are served.
    pub listen: SocketAddr,
    /// The jobs database.
    pub jobs_url: String,
    /// The builds database.
    pub builds_url: String,
    /// Where this role keeps its mirrors of repositories.
    pub mirrors: PathBuf,
    /// Whether `file://` repositories may be registered.
    #[serde(default = "refused")]
    pub local_repositories: LocalRepositories,
    /// Whether the login cookie is sent over HTTPS only; false only on loopback.
    #[serde(default = "yes")]
    pub secure_cookie: bool,
    /// Who may speak.
    pub tokens: Vec<Token>,
    #[serde(default)]
    pub observe: observe::Settings,
}

pub fn refused() -> LocalRepositories {
    LocalRepositories::Refused
}

const fn yes() -> bool {
    true
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("api", &settings.observe, stop.clone()).await?;
    let jobs = parts::jobs(&settings.jobs_url).await?;
    let builds = parts::builds(&settings.builds_url).await?;
    let mirrors = Mirrors::new(settings.mirrors, settings.local_repositories).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    let config = console::Config {
        tokens: settings.tokens,
        local_repositories: settings.local_repositories,
        secure_cookie: settings.secure_cookie,
    };
    let service = console::Service::new(config, listener, jobs, builds, mirrors)?;
    readiness.ready();
    service.run(stop).await?;
    Ok(())
}
