//! `starling synchronizer`: copies artifacts to every region's store and records what was verified.

use super::parts::{self, StoreSettings};
use crate::observe;
use model::RegionName;
use serde::{Deserialize, Serialize};
use synchronizer::Config;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The jobs database.
    pub jobs_url: String,
    /// The builds database.
    pub builds_url: String,
    /// Where workers put artifacts.
    pub main_store: StoreSettings,
    /// Every region.
    pub regions: Vec<RegionSettings>,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// One region's store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionSettings {
    /// The region's name.
    pub name: RegionName,
    /// Its store.
    pub store: StoreSettings,
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("synchronizer", &settings.observe, stop.clone()).await?;
    let regions = settings
        .regions
        .iter()
        .map(|region| Ok((region.name.clone(), region.store.config()?)));
    let config = Config::new(
        settings.main_store.config()?,
        regions.collect::<anyhow::Result<_>>()?,
    );
    let jobs = parts::jobs(&settings.jobs_url).await?;
    let builds = parts::builds(&settings.builds_url).await?;
    let service = synchronizer::Service::new(&config, jobs, builds)?;
    readiness.ready();
    service.run(stop).await?;
    Ok(())
}
