//! The two reconcilers, and who leads them.

use crate::replicator::Replicator;
use crate::synchronizer::Synchronizer;
use crate::{Config, Error, metrics};
use artifact_store::Store;
use database::{Builds, Jobs, Singleton};
use model::RegionName;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error_span, warn};

/// Every region's store.
pub(crate) type Stores = BTreeMap<RegionName, Store>;

/// How long to wait before the regions are registered again, when that failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The replicator and the synchronizer.
#[derive(Debug)]
pub struct Service {
    builds: Builds,
    regions: Vec<RegionName>,
    replicator: Replicator,
    synchronizer: Synchronizer,
}

impl Service {
    /// Prepares connections to every store.
    ///
    /// # Errors
    /// [`Error::Store`] for a configuration that can never work; a store that is away is no error.
    pub fn new(config: &Config, jobs: Jobs, builds: Builds) -> Result<Self, Error> {
        metrics::describe();
        let main = connect("the workers", &config.main)?;
        let mut stores = Stores::new();
        for (region, store) in &config.regions {
            stores.insert(region.clone(), connect(region.as_str(), store)?);
        }
        Ok(Self {
            regions: stores.keys().cloned().collect(),
            replicator: Replicator::new(builds.clone(), main, stores.clone(), config),
            synchronizer: Synchronizer::new(jobs, builds.clone(), stores, config),
            builds,
        })
    }

    /// Copies, compares and records until `stop`.
    ///
    /// # Errors
    /// Only [`Error::Panicked`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let Self {
            builds,
            regions,
            replicator,
            synchronizer,
        } = self;
        let mut parts = JoinSet::new();
        let (of_replicator, of_synchronizer) = (stop.clone(), stop);
        let leads = builds.clone();
        let copying = async move {
            while let Some(leadership) = leads.lead(Singleton::Replicator, &of_replicator).await {
                // Whoever does not lead any more leaves its copies where they are.
                let until = of_replicator.child_token();
                let _end = until.clone().drop_guard();
                tokio::select! {
                    () = replicator.run(until) => {}
                    () = leadership.lost().cancelled() => {}
                }
            }
        };
        parts.spawn(copying.instrument(error_span!("replicator")));
        let comparing = async move {
            while let Some(leadership) = builds.lead(Singleton::Synchronizer, &of_synchronizer).await {
                tokio::select! {
                    () = of_synchronizer.cancelled() => {}
                    () = leadership.lost().cancelled() => {}
                    () = synchronize(&builds, &regions, &synchronizer) => {}
                }
            }
        };
        parts.spawn(comparing.instrument(error_span!("synchronizer")));
        while let Some(ended) = parts.join_next().await {
            ended.map_err(Error::Panicked)?;
        }
        Ok(())
    }
}

/// Makes the regions known first, so that every artifact is wanted in each.
async fn synchronize(builds: &Builds, regions: &[RegionName], synchronizer: &Synchronizer) {
    for region in regions {
        while let Err(error) = builds.upsert_region(region).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "failed to make a region known; trying again"
            );
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
    synchronizer.run().await;
}

fn connect(place: &str, config: &artifact_store::Config) -> Result<Store, Error> {
    Store::connect(config).map_err(|source| Error::Store {
        place: place.to_owned(),
        source: Box::new(source),
    })
}
