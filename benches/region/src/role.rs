//! Starting one role as a process.

use crate::metrics::answers;
use anyhow::Context as _;
use bench_network::Node;
use local_services::{Child, free_port};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a role may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A running role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) child: Child,
    starling: PathBuf,
    name: String,
    config: PathBuf,
    node: Node,
    pub(crate) log: PathBuf,
    /// Where it serves `/metrics`.
    pub(crate) observed_at: SocketAddr,
}

impl Role {
    /// Writes the configuration and starts `starling ROLE` with it; returns once it says that it is ready.
    pub(crate) async fn start(
        starling: &Path,
        (role, settings): (&str, &str),
        (node, folder): (&Node, &Path),
    ) -> anyhow::Result<Self> {
        let observed_at = SocketAddr::new(node.address.into(), free_port()?);
        let (config, log) = (
            folder.join(format!("{}.{role}.toml", node.name)),
            folder.join(format!("{}.{role}.log", node.name)),
        );
        let observe = format!("\n[observe]\nlisten = \"{observed_at}\"\n");
        fs_err::write(&config, format!("{settings}{observe}"))?;
        let mut role = Self {
            child: spawn(starling, role, &config, (node, &log))?,
            starling: starling.to_owned(),
            name: role.to_owned(),
            config,
            node: node.clone(),
            log,
            observed_at,
        };
        role.ready().await?;
        Ok(role)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let at = self.observed_at;
        let ready = || async move { answers(at, "/readyz").await };
        self.child
            .wait_until(READY_LIMIT, ready)
            .await
            .with_context(|| format!("role {} did not start on {}", self.name, self.node.name))
    }

    /// Kills it at once, with SIGKILL, and starts it again with the same configuration.
    pub(crate) async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        self.child.signal(Signal::KILL);
        // How it ended is known.
        let _ = self.child.wait().await;
        self.child = spawn(&self.starling, &self.name, &self.config, (&self.node, &self.log))?;
        self.ready().await
    }
}

fn spawn(starling: &Path, role: &str, config: &Path, (node, log): (&Node, &Path)) -> anyhow::Result<Child> {
    node.start(
        starling,
        [role.as_ref(), "--config".as_ref(), config.as_os_str()],
        log,
    )
}
