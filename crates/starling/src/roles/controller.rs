//! `starling controller`: reaps lost builds and clears what they left, moves finished logs to the main store, collects what
//! nobody needs, publishes desired state, drives deployments.

use super::parts::{self, StoreSettings};
use super::worker::default_lease_window_seconds;
use crate::observe;
use artifact_store::Store;
use builder::{archiver, demand, leftovers, reaper, sweeper};
use controller::collector::{self, Collector};
use model::RegionName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A copy of an artifact that was withdrawn while it was under way has arrived after so long.
const SETTLE: Duration = Duration::from_secs(30 * 60);
const A_DAY: Duration = Duration::from_secs(24 * 3_600);

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
    /// What is kept of artifacts that nobody needs, and how often they are looked through. Left out, nothing is collected
    /// but by `starling collect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<CollectionSettings>,
    /// Builds that made nothing that stands, and their logs, are forgotten so many days after they ended; never, where it
    /// is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_days: Option<NonZeroU32>,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// Collecting by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionSettings {
    /// Between two looks at all artifacts, in minutes.
    #[serde(default = "an_hour")]
    pub every_minutes: NonZeroU32,
    /// The same as the API's `retention`.
    #[serde(default)]
    pub retention: retention::Policy,
}

/// Proof: 60 is not zero.
const fn an_hour() -> NonZeroU32 {
    NonZeroU32::new(60).expect("60 is not zero")
}

impl From<CollectionSettings> for collector::Schedule {
    fn from(settings: CollectionSettings) -> Self {
        Self {
            policy: settings.retention,
            every: Duration::from_secs(u64::from(settings.every_minutes.get()) * 60),
        }
    }
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
    let history = settings.history_days.map(|days| A_DAY * days.get());
    let leftovers = leftovers::Service::new(leftovers::Config { history }, jobs.clone(), store.clone());
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
            schedule: settings.collection.map(Into::into),
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
    let ((), (), (), (), (), (), result) = tokio::join!(
        reaper.run(stop.clone()),
        sweeper.run(stop.clone()),
        demand.run(stop.clone()),
        archiver.run(stop.clone()),
        leftovers.run(stop.clone()),
        collector.run(stop.clone()),
        controller.run(stop)
    );
    Ok(result?)
}
