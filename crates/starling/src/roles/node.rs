//! A node of a region's swarm, as a role has it: with a certificate that renews itself, and a task that runs.

use super::parts::SwarmSettings;
use anyhow::Context as _;
use model::node::Role;
use model::{HostName, RegionName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use swarm::{Handle, IncomingCall, Swarm};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where a node gets its certificates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentSettings {
    /// The API, such as `https://starling.example`.
    pub api: String,
    /// The file in which an operator leaves the join token that `starling join-token create` prints. It is
    /// needed once, and deleted when it was used.
    pub join_token_file: PathBuf,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    pub handle: Handle,
    driver: JoinHandle<()>,
    renewal: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Enrols the node if need be, and starts it; `None` when `stop` came first.
pub async fn start(
    settings: &SwarmSettings,
    enrolment: Option<EnrolmentSettings>,
    place: (RegionName, Role, HostName),
    stop: &CancellationToken,
) -> anyhow::Result<Option<(Node, mpsc::Receiver<IncomingCall>)>> {
    let enrolled = match enrolment {
        None => None,
        Some(enrolment) => {
            let starting = enrolment::Service::start(config(settings, enrolment, place)?);
            match stop.run_until_cancelled(starting).await {
                None => return Ok(None),
                Some(started) => Some(started?),
            }
        }
    };
    let certificate = match &enrolled {
        Some(service) => service.certificate(),
        None => settings.certificate()?,
    };
    let (handle, calls, driver) = Swarm::start(settings.config(certificate)?).await?;
    // The swarm ends after its user, so it has a stop of its own.
    let stop = CancellationToken::new();
    let node = Node {
        renewal: enrolled.map(|service| tokio::spawn(service.run(handle.clone(), stop.clone()))),
        driver: tokio::spawn(driver.run(stop.clone())),
        handle,
        stop,
    };
    Ok(Some((node, calls)))
}

fn config(
    settings: &SwarmSettings,
    enrolment: EnrolmentSettings,
    (region, role, name): (RegionName, Role, HostName),
) -> anyhow::Result<enrolment::Config> {
    Ok(enrolment::Config {
        api: enrolment.api,
        join_token_file: enrolment.join_token_file,
        certificate_file: settings.certificate_file.clone(),
        identity: settings.identity()?,
        authority: settings.authority()?,
        region,
        role,
        name,
    })
}

impl Node {
    /// Stops the node and waits for it.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        if let Some(renewal) = self.renewal {
            renewal.await.context("the renewal's task failed")?;
        }
        self.driver.await.context("the swarm's task failed")
    }
}
