//! `starling store`: a small durable S3 server, for development and tests.

use super::parts;
use crate::observe;
use artifact_store::server::{Config, Server};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder that holds everything.
    pub root: PathBuf,
    /// Where the S3 protocol is served.
    pub listen: SocketAddr,
    /// The one key's public half.
    pub access_key_id: String,
    /// A file that holds its secret half.
    pub secret_access_key_file: PathBuf,
    #[serde(default)]
    pub observe: observe::Settings,
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("store", &settings.observe, stop.clone()).await?;
    let config = Config {
        root: settings.root,
        listen: settings.listen,
        access_key_id: settings.access_key_id,
        secret_access_key: parts::read_secret(&settings.secret_access_key_file)?.into(),
    };
    let server = Server::bind(config).await?;
    readiness.ready();
    server.run(stop).await;
    Ok(())
}
