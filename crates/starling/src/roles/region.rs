//! `starling region`: manages one region.

use super::node::{self, EnrolmentSettings};
use super::parts::{self, StoreSettings, SwarmSettings};
use crate::observe;
use desired_state::DesiredState;
use model::node::Role;
use model::{HostName, RegionName};
use region::Config;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often etcd and the store are asked without a hint.
const PERIOD: Duration = Duration::from_secs(3);

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The region that it manages.
    pub region: RegionName,
    /// This manager's name, the one in its certificate.
    pub candidate: HostName,
    /// The region's etcd.
    pub etcd: Vec<String>,
    /// The API that takes the region's reports.
    pub api: String,
    /// A file that holds the region's token for it.
    pub token_file: PathBuf,
    /// The public keys whose signatures under a manifest count.
    pub trusted_keys: Vec<String>,
    /// The region's store.
    pub store: StoreSettings,
    pub swarm: SwarmSettings,
    /// Where the manager gets its certificates.
    pub enrolment: Option<EnrolmentSettings>,
    #[serde(default)]
    pub observe: observe::Settings,
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("region", &settings.observe, stop.clone()).await?;
    let desired = DesiredState::connect(&settings.etcd, &settings.region).await?;
    let store = settings.store.connect().await?;
    let place = (settings.region.clone(), Role::Manager, settings.candidate.clone());
    let Some((node, calls)) = node::start(&settings.swarm, settings.enrolment, place, &stop).await? else {
        return Ok(());
    };
    let config = Config {
        region: settings.region,
        candidate: settings.candidate,
        api: settings.api,
        token: parts::read_secret(&settings.token_file)?.into(),
        trusted_keys: parts::trusted_keys(&settings.trusted_keys)?,
        revoked_file: settings.swarm.identity_file.with_extension("revoked"),
        period: PERIOD,
    };
    let service = region::Service::new(config, desired, store, (node.handle.clone(), calls))?;
    readiness.ready();
    service.run(stop).await;
    // The swarm ends after its user.
    node.stop().await
}
