//! Starting one role as a process.

use crate::metrics::answers;
use anyhow::Context as _;
use bench_network::Node;
use local_services::{Child, free_port};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a role may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A running role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) child: Child,
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
        let arguments = [role.as_ref(), "--config".as_ref(), config.as_os_str()];
        let mut child = node.start(starling, arguments, &log)?;
        let ready = || async { answers(observed_at, "/readyz").await };
        child
            .wait_until(READY_LIMIT, ready)
            .await
            .with_context(|| format!("role {role} did not start on {}", node.name))?;
        Ok(Self {
            child,
            log,
            observed_at,
        })
    }
}
