//! Copying what regions lack.

use crate::Config;
use crate::config::ReplicatedBy;
use crate::copying::{Copying, Ended};
use crate::routes::{Holders, Routes, Source};
use crate::service::Stores;
use artifact_store::{Pace, Store};
use database::builds::ReplicaRow;
use database::{Builds, Error, Hint};
use model::{ArtifactId, RegionName};
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span, warn};

/// How many places are remembered where a copy could not be read.
const DISTRUSTED_MAX: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Replicator {
    main: Store,
    stores: Stores,
    /// Those that we copy to.
    regions: Vec<RegionName>,
    routes: Routes,
    pace: Pace,
    copies_max: usize,
    period: Duration,
}

/// Copies under way.
#[derive(Default)]
struct Copies {
    tasks: JoinSet<Ended>,
    replicas: BTreeSet<(ArtifactId, RegionName)>,
    distrusted: BTreeSet<(ArtifactId, RegionName)>,
}

impl Replicator {
    pub(crate) fn new(main: Store, stores: Stores, config: &Config) -> Self {
        let ours = config.regions.iter();
        let ours = ours.filter(|(_, region)| region.replicated_by == ReplicatedBy::Us);
        Self {
            main,
            stores,
            regions: ours.map(|(name, _)| name.clone()).collect(),
            routes: Routes::of(config),
            pace: config.copy_bytes_per_second.map_or_else(Pace::default, Pace::of),
            copies_max: config.copies_max.get(),
            period: config.period,
        }
    }

    /// Copies until `stop` or the end of the term in which `builds` writes, and then leaves every copy where it is: the
    /// next one goes on there.
    pub(crate) async fn run(&self, builds: &Builds, stop: CancellationToken) {
        let mut wakeups = builds.wakeups(is_wanted, self.period);
        let mut copies = Copies::default();
        loop {
            match self.begin_copies(builds, &mut copies, &stop).await {
                Ok(()) => {}
                Err(Error::TermOver(_)) => break,
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "pass failed; trying again"
                ),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = wakeups.next() => {}
                Some(ended) = copies.tasks.join_next() => copies.forget(ended),
            }
        }
        copies.tasks.shutdown().await;
    }

    /// Begins copies while there is room: of what each region wants first, then second, and so on.
    async fn begin_copies(
        &self,
        builds: &Builds,
        copies: &mut Copies,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        builds.confirm_term().await?;
        let room = self.copies_max.saturating_sub(copies.tasks.len());
        if room == 0 {
            return Ok(());
        }
        let wanted = self.wanted(builds, &copies.replicas).await?;
        let mut holders = Holders {
            distrusted: copies.distrusted.clone(),
            ..Holders::default()
        };
        for replica in &wanted {
            if let Entry::Vacant(unknown) = holders.verified.entry(replica.artifact) {
                unknown.insert(builds.regions_with(&replica.artifact).await?);
            }
        }
        for copy in self.routes.plan(wanted, &holders, room) {
            for replica in &copy.replicas {
                copies.replicas.insert((replica.artifact, replica.region.clone()));
            }
            let span = info_span!("copy", artifact.id = %copy.artifact, copy.source = %copy.source);
            let from = match &copy.source {
                Source::Main => Some(&self.main),
                Source::Region(region) => self.stores.get(region),
            };
            let copying = Copying {
                builds: builds.clone(),
                from: from.unwrap_or(&self.main).clone(),
                stores: self.stores.clone(),
                pace: self.pace.clone(),
                copy,
            };
            copies.tasks.spawn(copying.run(stop.clone()).instrument(span));
        }
        Ok(())
    }

    /// The replicas that are due and not under way.
    async fn wanted(
        &self,
        builds: &Builds,
        under_way: &BTreeSet<(ArtifactId, RegionName)>,
    ) -> Result<Vec<ReplicaRow>, Error> {
        let mut wanted = Vec::new();
        for region in &self.regions {
            // Those under way are still listed, so more is asked for than there is room.
            let limit = u32::try_from(2 * self.copies_max).unwrap_or(u32::MAX);
            let pending = builds.replicas_pending(region, limit).await?;
            let idle = pending
                .into_iter()
                .filter(|replica| !under_way.contains(&(replica.artifact, replica.region.clone())));
            wanted.extend(idle.enumerate());
        }
        wanted.sort_by_key(|(rank, _)| *rank);
        Ok(wanted.into_iter().map(|(_, replica)| replica).collect())
    }
}

impl Copies {
    fn forget(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended { copy, unreadable }) => {
                for replica in copy.replicas {
                    self.replicas.remove(&(replica.artifact, replica.region));
                }
                if let (true, Source::Region(region)) = (unreadable, copy.source) {
                    if self.distrusted.len() >= DISTRUSTED_MAX {
                        self.distrusted.clear();
                    }
                    self.distrusted.insert((copy.artifact, region));
                }
            }
            Err(error) => {
                // Which copy it was is not known, so all may be begun again; a copy that is begun twice
                // finds the other's parts.
                warn!(error = &error as &dyn std::error::Error, "a copy failed");
                self.replicas.clear();
            }
        }
    }
}

fn is_wanted(hint: &Hint) -> bool {
    matches!(hint, Hint::Replica(_) | Hint::Anything)
}
