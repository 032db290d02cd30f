//! `starling controller`: reaps lost builds and sweeps what they left, moves finished logs to the main store,
//! publishes desired state, drives deployments.

use super::parts::{self, StoreSettings};
use super::worker::default_lease_window_seconds;
use crate::observe;
use artifact_store::Store;
use builder::{archiver, demand, reaper, sweeper};
use controller::collector::{self, Collector};
use model::RegionName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A copy of an artifact that was withdrawn while it was under way has arrived after so long.
const SETTLE: Duration = Duration::from_secs(30 * 60);

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The jobs database.
    pub jobs_url: String,
    /// The builds database.
    pub builds_url: String,
    /// The same as the workers'.
    #[serde(default = "default_lease_window_seconds")]
    pub lease_window_seconds: u32,
    /// The main store, where unfinished uploads are swept and finished logs are put.
    pub store: StoreSettings,
    /// Every region.
    pub regions: Vec<RegionSettings>,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// One region, as the publisher sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionSettings {
    /// Its name.
    pub name: RegionName,
    /// Its etcd's addresses.
    pub etcd: Vec<String>,
    /// Its store, from which collected artifacts are removed.
    pub store: StoreSettings,
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("controller", &settings.observe, stop.clone()).await?;
    let jobs = parts::jobs(&settings.jobs_url).await?;
    let builds = parts::builds(&settings.builds_url).await?;
    let lease_window = Duration::from_secs(settings.lease_window_seconds.into());
    // Only prepared: while the store is away, everything else here goes on.
    let store = Store::connect(&settings.store.config()?)?;
    let archiver = archiver::Service::new(jobs.clone(), store.clone());
    let sweeper = sweeper::Service::new(jobs.clone(), store.clone());
    let demand = demand::Service::new(jobs.clone(), lease_window);
    let reaper = reaper::Service::new(reaper::Config { lease_window }, jobs.clone());
    let mut stores = BTreeMap::new();
    for region in &settings.regions {
        stores.insert(region.name.clone(), Store::connect(&region.store.config()?)?);
    }
    let collector = Collector::new(
        collector::Settings {
            main: store,
            regions: stores,
            settle: SETTLE,
        },
        jobs,
        builds.clone(),
    );
    let regions = settings
        .regions
        .into_iter()
        .map(|region| (region.name, region.etcd))
        .collect();
    let controller = controller::Service::new(controller::Config::new(regions), builds).await?;
    readiness.ready();
    let ((), (), (), (), (), result) = tokio::join!(
        reaper.run(stop.clone()),
        sweeper.run(stop.clone()),
        demand.run(stop.clone()),
        archiver.run(stop.clone()),
        collector.run(stop.clone()),
        controller.run(stop)
    );
    Ok(result?)
}
