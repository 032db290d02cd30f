//! Clearing what builds that have ended left in the main store: content that no manifest names, and artifacts that an
//! attempt published and no build counts.
//!
//! Each build is looked at once, a while after it has ended. Any process may do it, and twice is as good as once.

use crate::metrics;
use artifact_store::Store;
use database::jobs::{EndedBuild, REMOVAL_LASTS_MAX};
use database::{Jobs, Leadership, Singleton};
use model::ArtifactId;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often builds that have ended are looked for.
const PERIOD: Duration = Duration::from_secs(60);
/// The most builds of one look.
const BUILDS_MAX: u32 = 256;
/// Whatever was still on its way for a build has come, or never will, so long after its end.
const GRACE: Duration = Duration::from_secs(24 * 3_600);

/// How long the history of builds is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// A build that made nothing that stands, with its log, is forgotten when it ended longer ago; never where it is
    /// absent. A day at least.
    pub history: Option<Duration>,
}

/// Clears the main store and the history.
#[derive(Debug)]
pub struct Service {
    history: Option<Duration>,
    jobs: Jobs,
    store: Store,
}

/// Why a look stopped half-way; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue could not be asked, or told.
    #[error("failed to ask which builds have ended, or to forget one")]
    Jobs(#[from] database::Error),
    /// The store could not be listed, or did not remove something.
    #[error("failed to clear the store")]
    Store(#[from] artifact_store::Error),
}

impl Service {
    /// Nothing happens before [`Self::run`].
    pub fn new(config: Config, jobs: Jobs, store: Store) -> Self {
        Self {
            history: config.history,
            jobs,
            store,
        }
    }

    /// Clears while this process leads, until `stop`. A store or database that is away is waited for.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(leadership) = self.jobs.lead(Singleton::Clearer, &stop).await {
            stop.run_until_cancelled(self.clear_while_leading(&leadership))
                .await;
        }
    }

    async fn clear_while_leading(&self, leadership: &Leadership) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let clearing = async {
            loop {
                ticks.tick().await;
                if let Err(error) = Box::pin(self.pass(GRACE)).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "failed to clear what builds have left; trying again");
                }
            }
        };
        // It ends with the leadership alone.
        let _: Option<()> = leadership.lost().run_until_cancelled(clearing).await;
    }

    /// Looks once at builds that ended longer than `grace` ago, and forgets those whose time has come.
    ///
    /// # Errors
    /// Fails at the first that a store or the database fails at.
    pub async fn pass(&self, grace: Duration) -> Result<(), Error> {
        for ended in self.jobs.leftovers(grace, BUILDS_MAX).await? {
            self.clear(&ended).await?;
            self.jobs.leftovers_cleared(ended.build).await?;
        }
        let Some(history) = self.history else {
            return Ok(());
        };
        for ended in self.jobs.forgettable(history.max(grace), BUILDS_MAX).await? {
            self.clear(&ended).await?;
            self.store.remove_logs(ended.build).await?;
            if self.jobs.forget_build(ended.build).await? {
                ::metrics::counter!(metrics::BUILDS_FORGOTTEN).increment(1);
                tracing::info!(build.id = %ended.build, "a build and its log were forgotten");
            }
        }
        Ok(())
    }

    async fn clear(&self, ended: &EndedBuild) -> Result<(), Error> {
        let contents = self.store.contents_of(ended.build).await?;
        let mut named = BTreeSet::new();
        for artifact in &ended.artifacts {
            named.extend(self.content_of(artifact).await?);
        }
        for key in contents.iter().filter(|key| !named.contains(key)) {
            self.store.remove_unpublished(key).await?;
            ::metrics::counter!(metrics::CONTENTS_CLEARED).increment(1);
            tracing::info!(build.id = %ended.build, store.key = %key, "content that no manifest names was removed");
        }
        Ok(())
    }

    /// The content of an artifact that stands. What an attempt published whose build then made something else, or
    /// nothing, stands for nobody: it is removed, unless somebody means to take it over.
    async fn content_of(&self, artifact: &ArtifactId) -> Result<Option<artifact_store::ContentKey>, Error> {
        let Some(stored) = self.store.get_manifest(artifact).await? else {
            return Ok(None);
        };
        // Counted from before the database's clock is asked, and so shorter.
        let until = Instant::now() + REMOVAL_LASTS_MAX;
        let Some(removal) = self.jobs.begin_removal(artifact, &[]).await? else {
            return Ok(Some(stored.content_key));
        };
        self.store.remove_artifact(artifact, &[], until).await?;
        self.jobs.end_removal(&removal).await?;
        tracing::info!(artifact.id = %artifact, "an artifact that no build counts was removed");
        Ok(None)
    }
}
