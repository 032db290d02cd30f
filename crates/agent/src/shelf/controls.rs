//! What operators said about the artifacts on their way to this host.

use super::{Entry, Shelf};
use crate::metrics;
use crate::seat::Supply;
use model::control::{Hold, RegionControls};
use model::{ArtifactId, DesiredService};
use std::collections::BTreeSet;
use std::time::Instant;

/// How many times as much of this host's fetches the artifact that comes first gets as each other: nearly all, while
/// the others still go on, so that one that cannot move holds up none of them.
const PRIORITY_FIRST: u8 = 8;

impl Shelf {
    /// Takes in what was said, unless something newer was heard before.
    pub(crate) fn control(&mut self, controls: RegionControls) {
        if controls.epoch < self.controls.epoch {
            ::metrics::counter!(metrics::ORDERS_STALE).increment(1);
            return;
        }
        self.controls = controls;
    }

    /// The newest that was said; must be remembered over a restart.
    pub(crate) fn controls(&self) -> &RegionControls {
        &self.controls
    }

    /// Tells the swarm which of the artifacts under way rest, and which come first: those that an operator prefers,
    /// then that of the newest deployment. `ordered` are the artifacts of the present orders, newest first.
    ///
    /// # Errors
    /// If the swarm has stopped.
    pub(crate) async fn steer(&mut self, ordered: &[ArtifactId]) -> Result<(), swarm::Error> {
        let moving = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Moving { fetch, .. } if fetch.get().is_some()));
        let moving: Vec<_> = moving.map(|(artifact, _)| *artifact).collect();
        self.steered.retain(|artifact, _| moving.contains(artifact));
        let first = self.first(ordered, &moving);
        for artifact in moving {
            let rests = self.controls.of(&artifact).0 != Hold::None;
            let priority = if first == Some(artifact) {
                PRIORITY_FIRST
            } else {
                1
            };
            let wanted = (rests, priority);
            let told = self.steered.get(&artifact).copied().unwrap_or((false, 1));
            if told.0 != rests && rests {
                self.obtain.swarm.pause(artifact).await?;
            } else if told.0 != rests {
                self.obtain.swarm.resume(artifact).await?;
            }
            if told.1 != priority {
                self.obtain.swarm.prefer(artifact, priority).await?;
            }
            self.steered.insert(artifact, wanted);
        }
        Ok(())
    }

    /// Which of the artifacts under way comes first.
    fn first(&self, ordered: &[ArtifactId], moving: &[ArtifactId]) -> Option<ArtifactId> {
        let newest_last = ordered.iter().rev().filter(|artifact| moving.contains(artifact));
        // Of equal ones the last is taken, which is the newest.
        newest_last
            .max_by_key(|artifact| self.controls.of(artifact).1)
            .copied()
    }

    /// Stops fetching what was aborted, and deletes what came of it. What is here whole stays, and so does
    /// whatever of it may be in use.
    pub(crate) fn drop_aborted(&mut self, now: Instant, uses: &BTreeSet<ArtifactId>) {
        let aborted = self
            .controls
            .distributions
            .iter()
            .filter(|control| control.hold == Hold::Aborted);
        let aborted: Vec<_> = aborted.map(|control| control.artifact).collect();
        for artifact in aborted.into_iter().filter(|artifact| !uses.contains(artifact)) {
            if !matches!(self.entries.get(&artifact), Some(Entry::Whole { .. })) {
                self.remove_if_due(now, artifact);
            }
        }
    }

    /// How far an order's bytes are, unless an operator holds them up.
    pub(super) fn held(&self, order: &DesiredService, otherwise: Supply) -> Supply {
        match self.controls.of(&order.artifact).0 {
            Hold::None => otherwise,
            Hold::Paused => Supply::Held("an operator paused the distribution"),
            Hold::Aborted => Supply::Held("an operator aborted the distribution"),
        }
    }
}
