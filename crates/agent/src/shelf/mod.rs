//! The artifacts on this host's disk.
//!
//! Told which artifacts should be here and which may stay, the shelf fetches the former and deletes all but the latter.
//! Everything is verified before it counts as here, also what an earlier life of the agent left on the disk.
//!
//! Below the agent's folder, `artifacts/ID/` holds an artifact's files and `manifests/ID` its signed manifest.

mod arrivals;
mod controls;
mod disk;
mod failure;
mod gauge;
mod obtain;
mod offers;

use crate::ledger::Ledger;
use crate::reason::{cut, reason};
use crate::seat::Supply;
use crate::{Error, metrics};
use artifact::VerifiedManifest;
use failure::{Failure, PAUSE_MAX};
use gauge::Gauge;
use model::control::{Hold, RegionControls};
use model::host::{SERVICES_MAX, StoreOffer};
use model::instance::Transfer;
use model::service::Program;
use model::{ArtifactId, DesiredService};
pub(crate) use obtain::Obtain;
use obtain::{NotObtained, Obtained};
pub(crate) use offers::Offers;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use swarm::Donor;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many artifacts are fetched or verified at once; the others wait.
const FETCHES_MAX: usize = 4;

/// All artifacts that are here, come, or go.
#[derive(Debug)]
pub(crate) struct Shelf {
    obtain: Obtain,
    entries: BTreeMap<ArtifactId, Entry>,
    /// How each artifact's bytes came when they first came. Verified again after a restart they would all seem local.
    transfers: BTreeMap<ArtifactId, Transfer>,
    /// What operators said about the region's distributions.
    controls: RegionControls,
    /// What the swarm was told of each artifact under way: whether it rests, and its priority.
    steered: BTreeMap<ArtifactId, (bool, u8)>,
    /// How fast each artifact comes that is wanted now.
    gauges: BTreeMap<ArtifactId, Gauge>,
    /// At most one an entry.
    jobs: JoinSet<Done>,
}

#[derive(Debug)]
enum Entry {
    /// On the disk from an earlier life, not looked at.
    Cold,
    /// On its way, or being verified.
    Moving {
        fetch: Arc<OnceLock<swarm::Fetch>>,
        stop: CancellationToken,
        /// What went wrong the last time. It still does until bytes come.
        earlier: Option<Failure>,
    },
    /// Here, verified, and served to other hosts.
    Whole {
        manifest: VerifiedManifest,
        fetch: Arc<OnceLock<swarm::Fetch>>,
    },
    /// Not to be had.
    Failed {
        failure: Failure,
        tries: u32,
        retry_at: Instant,
    },
    /// Being deleted.
    Leaving,
}

impl Entry {
    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            Self::Moving { fetch, earlier, .. } if fetch.get().is_none() => earlier.as_ref(),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Done {
    Obtained {
        artifact: ArtifactId,
        tries: u32,
        result: Result<Obtained, NotObtained>,
    },
    Removed {
        artifact: ArtifactId,
        result: Result<(), NotObtained>,
    },
}

impl Shelf {
    /// Looks at what an earlier life left.
    ///
    /// # Errors
    /// If the folders can't be made or listed.
    pub(crate) async fn open(obtain: Obtain, stored: &Ledger) -> Result<Self, Error> {
        let found = disk::open(obtain.folder.clone()).await?;
        let entries = found
            .into_iter()
            .map(|artifact| (artifact, Entry::Cold))
            .collect();
        Ok(Self {
            obtain,
            entries,
            transfers: stored.transfers.clone(),
            controls: stored.controls.clone(),
            steered: BTreeMap::new(),
            gauges: BTreeMap::new(),
            jobs: JoinSet::new(),
        })
    }

    /// Hears what may be read from the region's store, in place of what was heard before.
    pub(crate) fn hear_offers(&self, offers: &[StoreOffer]) {
        self.obtain.offers.hear(offers);
    }

    /// Begins to fetch what should be here and isn't.
    pub(crate) fn fetch(&mut self, now: Instant, wants: &BTreeSet<ArtifactId>) {
        for &artifact in wants {
            self.fetch_if_due(now, artifact);
        }
    }

    /// Begins to delete what nobody keeps.
    pub(crate) fn collect(&mut self, now: Instant, keeps: &BTreeSet<ArtifactId>) {
        let unwanted: Vec<_> = self
            .entries
            .keys()
            .filter(|artifact| !keeps.contains(artifact))
            .copied()
            .collect();
        for artifact in unwanted {
            self.remove_if_due(now, artifact);
        }
        self.transfers.retain(|artifact, _| keeps.contains(artifact));
    }

    fn fetch_if_due(&mut self, now: Instant, artifact: ArtifactId) {
        if self.controls.of(&artifact).0 != Hold::None {
            return;
        }
        let (tries, earlier) = match self.entries.get(&artifact) {
            None | Some(Entry::Cold) => (0, None),
            Some(Entry::Failed {
                failure,
                tries,
                retry_at,
            }) if *retry_at <= now => (*tries, Some(failure.clone())),
            Some(_) => return,
        };
        let moving = self
            .entries
            .values()
            .filter(|entry| matches!(entry, Entry::Moving { .. }))
            .count();
        if moving >= FETCHES_MAX {
            return;
        }
        let (fetch, stop) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let job = self
            .obtain
            .clone()
            .run(artifact, self.donors(), fetch.clone(), stop.clone());
        self.jobs.spawn(async move {
            Done::Obtained {
                artifact,
                tries: tries + 1,
                result: job.await,
            }
        });
        let moving = Entry::Moving { fetch, stop, earlier };
        self.entries.insert(artifact, moving);
    }

    /// What is here whole, and may hold a part of what is to come.
    fn donors(&self) -> Vec<Donor> {
        let whole = self.entries.iter().filter_map(|(artifact, entry)| match entry {
            Entry::Whole { manifest, .. } => Some(Donor {
                manifest: manifest.clone(),
                folder: self.folder(artifact),
            }),
            _ => None,
        });
        whole.collect()
    }

    fn remove_if_due(&mut self, now: Instant, artifact: ArtifactId) {
        match self.entries.get(&artifact) {
            // Once it has stopped, it is seen here again.
            Some(Entry::Moving { stop, .. }) => return stop.cancel(),
            Some(Entry::Failed { retry_at, .. }) if *retry_at > now => return,
            Some(Entry::Cold | Entry::Whole { .. } | Entry::Failed { .. }) => {}
            Some(Entry::Leaving) | None => return,
        }
        let job = self.obtain.clone().discard(artifact);
        self.jobs.spawn(async move {
            Done::Removed {
                artifact,
                result: job.await,
            }
        });
        self.entries.insert(artifact, Entry::Leaving);
    }

    /// Waits until something is fetched, deleted or failed; for ever when nothing is under way.
    ///
    /// # Errors
    /// If a job panicked.
    pub(crate) async fn next_done(&mut self) -> Result<(), Error> {
        match self.jobs.join_next().await {
            Some(done) => self.note(done?),
            None => std::future::pending().await,
        }
        Ok(())
    }

    fn note(&mut self, done: Done) {
        match done {
            Done::Obtained {
                artifact,
                result: Ok(obtained),
                ..
            } => {
                let transfer = *self.transfers.entry(artifact).or_insert(obtained.transfer);
                ::metrics::counter!(metrics::ARTIFACTS_STAGED).increment(1);
                tracing::info!(
                    artifact.id = %artifact, transfer.total_bytes, transfer.peer_bytes, transfer.seed_bytes,
                    transfer.store_bytes, transfer.local_bytes, transfer.elapsed_ms, "artifact is here and verified"
                );
                self.entries.insert(
                    artifact,
                    Entry::Whole {
                        manifest: obtained.manifest,
                        fetch: obtained.fetch,
                    },
                );
            }
            Done::Obtained {
                artifact,
                result: Err(NotObtained::Stopped),
                ..
            } => {
                self.entries.insert(artifact, Entry::Cold);
            }
            Done::Obtained {
                artifact,
                tries,
                result: Err(error),
            } => {
                ::metrics::counter!(metrics::ARTIFACTS_FAILED).increment(1);
                let failure = Failure::of(&error);
                tracing::warn!(artifact.id = %artifact, tries, failure.reason, "failed to get an artifact");
                self.entries.insert(
                    artifact,
                    Entry::Failed {
                        retry_at: Instant::now() + failure.pause(tries),
                        failure,
                        tries,
                    },
                );
            }
            Done::Removed {
                artifact,
                result: Ok(()),
            } => {
                ::metrics::counter!(metrics::ARTIFACTS_COLLECTED).increment(1);
                tracing::info!(artifact.id = %artifact, "artifact is no longer needed and was deleted");
                self.entries.remove(&artifact);
            }
            Done::Removed {
                artifact,
                result: Err(error),
            } => {
                let failure = Failure::of(&error);
                tracing::warn!(artifact.id = %artifact, failure.reason, "failed to delete an artifact");
                self.entries.insert(
                    artifact,
                    Entry::Failed {
                        failure,
                        tries: 0,
                        retry_at: Instant::now() + PAUSE_MAX,
                    },
                );
            }
        }
    }

    /// How far the bytes of an order are, and whether its program is among them.
    pub(crate) fn supply(&self, order: &DesiredService) -> Supply {
        if let Err(error) = order.spec.validate() {
            return Supply::Failed(reason(&error));
        }
        let entry = self.entries.get(&order.artifact);
        if let Some(failure) = entry.and_then(Entry::failure) {
            return Supply::Failed(failure.reason.clone());
        }
        match entry {
            None | Some(Entry::Cold | Entry::Leaving) => self.held(order, Supply::Awaited),
            Some(Entry::Moving { .. } | Entry::Failed { .. }) => self.held(order, Supply::Moving),
            Some(Entry::Whole { manifest, .. }) => {
                let (path, executable) = match order.spec.program() {
                    Ok(Program::Command { program, .. }) => (program, true),
                    Ok(Program::Image(archive)) => (archive, false),
                    Err(error) => return Supply::Failed(reason(&error)),
                };
                let files = manifest.files();
                let found = files.binary_search_by(|file| file.path.as_str().cmp(path));
                match found {
                    Ok(index) if files[index].executable || !executable => Supply::Whole,
                    _ if executable => {
                        Supply::Failed(cut(format!("the artifact has no executable file {path:?}")))
                    }
                    _ => Supply::Failed(cut(format!("the artifact has no file {path:?}"))),
                }
            }
        }
    }

    /// How an artifact's bytes came, or come.
    pub(crate) fn transfer(&self, artifact: &ArtifactId) -> Transfer {
        if let Some(transfer) = self.transfers.get(artifact) {
            return *transfer;
        }
        match self.entries.get(artifact) {
            Some(Entry::Moving { fetch, .. }) => fetch.get().map(swarm::Fetch::progress).unwrap_or_default(),
            _ => Transfer::default(),
        }
    }

    /// What must be remembered over a restart.
    pub(crate) fn transfers(&self) -> &BTreeMap<ArtifactId, Transfer> {
        &self.transfers
    }

    /// The folder that holds an artifact's files.
    pub(crate) fn folder(&self, artifact: &ArtifactId) -> PathBuf {
        disk::content(&self.obtain.folder, artifact)
    }

    /// Artifacts that are here whole and served, as many as a report may name.
    pub(crate) fn complete(&self) -> Vec<ArtifactId> {
        let whole = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Whole { .. }));
        whole.map(|(artifact, _)| *artifact).take(SERVICES_MAX).collect()
    }

    /// What keeps this host from fetching, if anything does: a disk without room.
    pub(crate) fn trouble(&self) -> Option<String> {
        let mut failures = self.entries.values().filter_map(Entry::failure);
        let full = failures.find(|failure| failure.lacking_bytes.is_some())?;
        Some(full.reason.clone())
    }

    /// When to reconcile again although nothing happened, and why.
    pub(crate) fn wake(&self, now: Instant) -> Option<(Instant, &'static str)> {
        let retries = self.entries.values().filter_map(|entry| match entry {
            Entry::Failed { retry_at, .. } if *retry_at > now => Some(*retry_at),
            _ => None,
        });
        retries.min().map(|at| (at, "a failed artifact is tried again"))
    }
}
