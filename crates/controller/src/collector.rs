//! Taking withdrawn artifacts out of every store.
//!
//! Somebody has decided what goes and withdrawn it (`database::Builds::withdraw`), or, where a [`Schedule`] is given, this
//! loop does so now and then, so that nothing can be deployed or copied meanwhile. This loop makes it so: first every region's store, then the main one, while no
//! build can publish the same again (`database::Jobs::begin_removal`). Each step can be done twice, so a crash
//! anywhere costs some minutes. A copy that was under way when the artifact was withdrawn may still arrive in a region,
//! so everything is removed once more when [`Settings::settle`] has passed; only then is the artifact recorded as
//! collected.

use crate::metrics;
use artifact_store::Store;
use database::builds::Withdrawn;
use database::jobs::REMOVAL_LASTS_MAX;
use database::{Builds, Jobs, Singleton};
use model::{Actor, RegionName};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often withdrawn artifacts are looked for.
const PERIOD: Duration = Duration::from_secs(10);
/// The most artifacts of one pass.
const ARTIFACTS_MAX: u32 = 256;

/// How the collector works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The main store.
    pub main: Store,
    /// Every region's store.
    pub regions: BTreeMap<RegionName, Store>,
    /// For how long after an artifact was withdrawn a copy of it may still arrive somewhere.
    pub settle: Duration,
    /// When artifacts are withdrawn by themselves; only on an engineer's word where it is absent.
    pub schedule: Option<Schedule>,
}

/// What is withdrawn by itself, and how often.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// What is kept of artifacts that nobody needs.
    pub policy: retention::Policy,
    /// Between two looks at everything; the first comes when this process begins to lead.
    pub every: Duration,
}

/// The collector.
#[derive(Debug)]
pub struct Collector {
    settings: Settings,
    jobs: Jobs,
    builds: Builds,
}

/// Why an artifact could not be removed; the next pass goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A database could not be asked.
    #[error("failed to ask what may be removed, or to record that it was")]
    Database(#[from] database::Error),
    /// A store did not remove something.
    #[error("failed to remove an artifact from the {place} store")]
    Store {
        /// Which store.
        place: String,
        /// Why.
        source: Box<artifact_store::Error>,
    },
}

impl Collector {
    /// Nothing happens before [`Self::run`].
    pub fn new(settings: Settings, jobs: Jobs, builds: Builds) -> Self {
        Self {
            settings,
            jobs,
            builds,
        }
    }

    /// Removes what was withdrawn while this process leads, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(leadership) = self.builds.lead(Singleton::Collector, &stop).await {
            let work = async {
                let mut ticks = tokio::time::interval(PERIOD);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut withdrawn_at = None;
                loop {
                    ticks.tick().await;
                    if let Err(error) = self.round(&mut withdrawn_at).await {
                        warn!(
                            error = &error as &dyn std::error::Error,
                            "pass failed; trying again"
                        );
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = leadership.lost().cancelled() => {}
                () = work => {}
            }
        }
    }

    async fn round(&self, withdrawn_at: &mut Option<Instant>) -> Result<(), database::Error> {
        if let Some(schedule) = &self.settings.schedule
            && withdrawn_at.is_none_or(|at| at.elapsed() >= schedule.every)
        {
            self.withdraw(&schedule.policy).await?;
            *withdrawn_at = Some(Instant::now());
        }
        self.pass().await.map(drop)
    }

    /// Withdraws what a policy lets go. One transaction that sees everything and holds off whoever deploys, so it is right
    /// whoever does it, a process that has just lost its leadership among them. Returns how many.
    ///
    /// # Errors
    /// Fails when a database does.
    pub async fn withdraw(&self, policy: &retention::Policy) -> Result<usize, database::Error> {
        let building = self.jobs.active_identities().await?;
        let plan = self
            .builds
            .withdraw_by(&Actor::collector(), policy, building)
            .await?;
        Ok(plan.collected.len())
    }

    /// Removes what was withdrawn, once; returns how many artifacts are gone for good. A store that is away
    /// holds up its artifacts and no others.
    ///
    /// # Errors
    /// Fails when a database does.
    pub async fn pass(&self) -> Result<usize, database::Error> {
        let mut collected = 0;
        let settle = self.settings.settle;
        for withdrawn in self.builds.withdrawn(settle, ARTIFACTS_MAX).await? {
            match self.remove(&withdrawn).await {
                Ok(gone) => collected += usize::from(gone),
                Err(Error::Database(error)) => return Err(error),
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    artifact.id = %withdrawn.artifact,
                    "failed to remove an artifact; trying again"
                ),
            }
        }
        Ok(collected)
    }

    /// Whether the artifact is collected now.
    async fn remove(&self, withdrawn: &Withdrawn) -> Result<bool, Error> {
        // Counted from before the database's clock is asked, and so shorter.
        let until = Instant::now() + REMOVAL_LASTS_MAX;
        let begun = self.jobs.begin_removal(&withdrawn.artifact, &withdrawn.builds);
        let Some(removal) = begun.await? else {
            // A build is at it, or has made it and brings it back; or somebody else removes it.
            return Ok(false);
        };
        self.remove_from_stores(withdrawn, until).await?;
        self.jobs.end_removal(&removal).await?;
        if !self.builds.removed(withdrawn, self.settings.settle).await? {
            return Ok(false);
        }
        ::metrics::counter!(metrics::COLLECTED_TOTAL).increment(1);
        info!(artifact.id = %withdrawn.artifact, "an artifact was collected");
        Ok(true)
    }

    /// Every region's store at once, and then the main one: while a region still holds something, what it is can be
    /// read up.
    async fn remove_from_stores(&self, withdrawn: &Withdrawn, until: Instant) -> Result<(), Error> {
        let Settings { main, regions, .. } = &self.settings;
        let artifact = &withdrawn.artifact;
        let from_regions = regions.iter().map(|(region, store)| async move {
            let removed = store.remove_artifact(artifact, &[], until).await;
            removed.map_err(not_removed_from(region.as_str()))
        });
        let from_regions = futures::future::join_all(from_regions).await;
        from_regions.into_iter().collect::<Result<(), _>>()?;
        let removed = main.remove_artifact(artifact, &withdrawn.builds, until).await;
        removed.map_err(not_removed_from("main"))
    }
}

fn not_removed_from(place: &str) -> impl FnOnce(artifact_store::Error) -> Error {
    move |source| Error::Store {
        place: place.to_owned(),
        source: Box::new(source),
    }
}
