//! What a host tells of the artifacts on their way to it.

use super::{Entry, Shelf};
use model::ArtifactId;
use model::control::{Hold, Limits};
use model::distribution::{ARRIVALS_MAX, Arrival, ArrivalState};
use model::instance::Transfer;
use std::collections::BTreeSet;
use std::time::Instant;
use swarm::FetchState;

impl Shelf {
    /// Looks at how fast what is wanted comes.
    pub(crate) fn measure(&mut self, now: Instant, wants: &BTreeSet<ArtifactId>) {
        self.gauges.retain(|artifact, _| wants.contains(artifact));
        for artifact in wants {
            if let Some(state) = self.fetch_state(artifact) {
                self.gauges.entry(*artifact).or_default().observe(now, state);
            }
        }
    }

    fn fetch_state(&self, artifact: &ArtifactId) -> Option<FetchState> {
        match self.entries.get(artifact)? {
            Entry::Moving { fetch, .. } | Entry::Whole { fetch, .. } => {
                Some(fetch.get()?.watch().borrow().clone())
            }
            Entry::Cold | Entry::Failed { .. } | Entry::Leaving => None,
        }
    }

    /// How these artifacts come, the first [`ARRIVALS_MAX`] of them.
    pub(crate) fn arrivals(&self, artifacts: &[ArtifactId], limits: &Limits) -> Vec<Arrival> {
        let told = artifacts.iter().take(ARRIVALS_MAX);
        told.map(|artifact| self.arrival(artifact, limits)).collect()
    }

    fn arrival(&self, artifact: &ArtifactId, limits: &Limits) -> Arrival {
        let held = match self.controls.of(artifact).0 {
            Hold::None => None,
            Hold::Paused => Some(ArrivalState::Paused),
            Hold::Aborted => Some(ArrivalState::Aborted),
        };
        let (state, lacking_bytes) = match self.entries.get(artifact) {
            Some(Entry::Whole { .. }) => (ArrivalState::Complete, 0),
            _ if let Some(held) = held => (held, 0),
            None | Some(Entry::Cold | Entry::Leaving) => (ArrivalState::Waiting, 0),
            Some(entry) if let Some(failure) = entry.failure() => match failure.lacking_bytes {
                Some(bytes) => (ArrivalState::DiskFull, bytes),
                None => (ArrivalState::Failed, 0),
            },
            Some(Entry::Moving { fetch, .. }) if fetch.get().is_some() => (ArrivalState::Fetching, 0),
            Some(Entry::Moving { .. } | Entry::Failed { .. }) => (ArrivalState::Waiting, 0),
        };
        let gauge = self.gauges.get(artifact);
        let hindrance = gauge.filter(|_| state == ArrivalState::Fetching);
        Arrival {
            artifact: *artifact,
            state,
            transfer: self.arrived(artifact, state),
            rates: gauge.map(|gauge| gauge.rates()).unwrap_or_default(),
            rejected_pieces: self
                .fetch_state(artifact)
                .map_or(0, |state| state.rejected_pieces),
            lacking_bytes,
            hindrance: hindrance.and_then(|gauge| gauge.hindrance(limits)),
        }
    }

    /// What is remembered of an artifact's way tells where its bytes came from, not that they are here still.
    fn arrived(&self, artifact: &ArtifactId, state: ArrivalState) -> Transfer {
        match self.entries.get(artifact) {
            Some(Entry::Moving { fetch, .. }) => fetch.get().map(swarm::Fetch::progress).unwrap_or_default(),
            _ if state == ArrivalState::Complete => self.transfer(artifact),
            _ => Transfer::default(),
        }
    }
}
