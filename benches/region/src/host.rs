//! One host of the region.

use crate::metrics::scrape;
use crate::role::Role;
use model::ArtifactId;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What an agent logs once an artifact is whole on its disk.
const WHOLE: &str = "artifact is here and verified";

/// How long an agent may take to end, with its tasks.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// A running agent.
#[derive(Debug)]
pub struct Host {
    pub(crate) role: Role,
    pub(crate) folder: PathBuf,
}

impl Host {
    /// Whether it has the artifact whole and verified, by its own log.
    ///
    /// # Errors
    /// When it has ended, or its log can't be read.
    pub(crate) fn has(&mut self, artifact: &ArtifactId) -> anyhow::Result<bool> {
        self.role.child.still_runs()?;
        let log = fs_err::read_to_string(&self.role.log)?;
        let id = artifact.to_string();
        Ok(log.lines().any(|line| line.contains(WHOLE) && line.contains(&id)))
    }

    /// Kills its agent at once, with SIGKILL, and starts it again; its tasks go on meanwhile.
    ///
    /// # Errors
    /// When it does not start again.
    pub async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        self.role.kill_and_start().await
    }

    /// Asks its agent to end, and its tasks with it where its settings say so.
    ///
    /// # Errors
    /// When it can't be ended.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.role.child.stop(Signal::TERM, STOP_GRACE).await?)
    }

    /// Its own folder.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Where it serves its metrics, for [`scrape`].
    pub fn observed_at(&self) -> SocketAddr {
        self.role.observed_at
    }

    /// The sum of one of its metrics with these labels; see [`scrape`].
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        scrape(self.observed_at(), name, labels).await
    }
}
