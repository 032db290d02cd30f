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

/// How long to wait before something is tried again that the database did not do.
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
    /// [`Error::Store`] and [`Error::UnknownNear`] for a configuration that can never work; a store that is away is
    /// no error.
    pub fn new(config: &Config, jobs: Jobs, builds: Builds) -> Result<Self, Error> {
        metrics::describe();
        let main = connect("the workers", &config.main)?;
        let mut stores = Stores::new();
        for (name, region) in &config.regions {
            stores.insert(name.clone(), connect(name.as_str(), &region.store)?);
            let mut near = region.near.iter().flatten();
            if let Some(unknown) = near.find(|near| !config.regions.contains_key(*near)) {
                return Err(Error::UnknownNear {
                    region: name.clone(),
                    near: unknown.clone(),
                });
            }
        }
        Ok(Self {
            regions: stores.keys().cloned().collect(),
            replicator: Replicator::new(main, stores.clone(), config),
            synchronizer: Synchronizer::new(jobs, stores, config),
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
        let copying = lead(
            builds.clone(),
            Singleton::Replicator,
            stop.clone(),
            async move |builds, until| {
                replicator.run(&builds, until).await;
            },
        );
        parts.spawn(copying.instrument(error_span!("replicator")));
        let comparing = lead(builds, Singleton::Synchronizer, stop, async move |builds, _| {
            make_known(&builds, &regions).await;
            synchronizer.run(&builds).await;
        });
        parts.spawn(comparing.instrument(error_span!("synchronizer")));
        while let Some(ended) = parts.join_next().await {
            ended.map_err(Error::Panicked)?;
        }
        Ok(())
    }
}

/// Works whenever this process leads, within a term of its own, until `stop`. The work is dropped when another leads,
/// and told before that by its token.
async fn lead(
    builds: Builds,
    what: Singleton,
    stop: CancellationToken,
    work: impl AsyncFn(Builds, CancellationToken),
) {
    while let Some(leadership) = builds.lead(what, &stop).await {
        let until = stop.child_token();
        let _end = until.clone().drop_guard();
        let leading = async {
            match builds.begin_term(what).await {
                Ok(in_term) => work(in_term, until).await,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to begin a term; trying again"
                    );
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        };
        tokio::select! {
            () = leading => {}
            () = stop.cancelled() => {}
            () = leadership.lost().cancelled() => {}
        }
    }
}

/// Makes the regions known, so that every artifact is wanted in each.
async fn make_known(builds: &Builds, regions: &[RegionName]) {
    for region in regions {
        while let Err(error) = builds.upsert_region(region).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "failed to make a region known; trying again"
            );
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

fn connect(place: &str, config: &artifact_store::Config) -> Result<Store, Error> {
    Store::connect(config).map_err(|source| Error::Store {
        place: place.to_owned(),
        source: Box::new(source),
    })
}
