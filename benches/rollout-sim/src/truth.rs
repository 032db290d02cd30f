//! What really happened on the modelled hosts, whatever anybody was told.

use crate::fate::Bad;
use model::ReleaseNumber;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shared by all regions of a fleet.
#[derive(Debug, Default)]
pub struct Truth(Mutex<BTreeMap<ReleaseNumber, Tally>>);

/// One release's.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// What is wrong with it.
    pub bad: Bad,
    /// Hosts that were ordered to run it.
    pub told: u64,
    /// When the last of them was.
    pub last_told: Option<Instant>,
    /// Hosts on which its process failed.
    pub failed: u64,
}

impl Truth {
    /// Says how bad a release will be; one that nobody spoke of is good.
    pub fn decide(&self, release: ReleaseNumber, bad: Bad) {
        self.tally(release, |tally| tally.bad = bad);
    }

    pub fn of(&self, release: ReleaseNumber) -> Tally {
        let mut found = Tally::default();
        self.tally(release, |tally| found = *tally);
        found
    }

    pub fn told(&self, release: ReleaseNumber) {
        self.tally(release, |tally| {
            tally.told += 1;
            tally.last_told = Some(Instant::now());
        });
    }

    pub fn failed(&self, release: ReleaseNumber) {
        self.tally(release, |tally| tally.failed += 1);
    }

    fn tally(&self, release: ReleaseNumber, change: impl FnOnce(&mut Tally)) {
        change(self.lock().entry(release).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReleaseNumber, Tally>> {
        // Counts are whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            bad: Bad::NOT,
            told: 0,
            last_told: None,
            failed: 0,
        }
    }
}
