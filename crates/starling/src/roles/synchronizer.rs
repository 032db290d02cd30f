//! `starling synchronizer`: copies artifacts to every region's store and records what was verified.

use super::parts::{self, StoreSettings};
use crate::observe;
use model::RegionName;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use synchronizer::{Config, Region, ReplicatedBy};
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
    /// The most that all copies together read in a second; no limit where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_bytes_per_second: Option<NonZeroU64>,
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
    /// The regions that it copies from, if they have what it lacks, rather than from the main store; the nearest first.
    /// Left out, names tell: those that begin alike are near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<Vec<RegionName>>,
    /// Whether the store replicates by itself, as S3's own replication does; then it is only watched.
    #[serde(default)]
    pub replicates_by_itself: bool,
}

impl RegionSettings {
    fn region(&self) -> anyhow::Result<Region> {
        let replicated_by = if self.replicates_by_itself {
            ReplicatedBy::TheStore
        } else {
            ReplicatedBy::Us
        };
        Ok(Region {
            store: self.store.config()?,
            near: self.near.clone(),
            replicated_by,
        })
    }
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("synchronizer", &settings.observe, stop.clone()).await?;
    let regions = settings
        .regions
        .iter()
        .map(|region| Ok((region.name.clone(), region.region()?)));
    let config = Config {
        copy_bytes_per_second: settings.copy_bytes_per_second,
        ..Config::new(
            settings.main_store.config()?,
            regions.collect::<anyhow::Result<_>>()?,
        )
    };
    let jobs = parts::jobs(&settings.jobs_url).await?;
    let builds = parts::builds(&settings.builds_url).await?;
    let service = synchronizer::Service::new(&config, jobs, builds)?;
    readiness.ready();
    service.run(stop).await?;
    Ok(())
}
