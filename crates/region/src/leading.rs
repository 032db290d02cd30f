//! What a leader knows. It begins empty with every term.

use crate::roster::Roster;
use model::host::Neighbour;
use model::{ArtifactId, DesiredService};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the leader's parts share.
#[derive(Debug)]
pub(crate) struct Leading {
    pub(crate) term: i64,
    /// This manager, as its hosts should know it.
    pub(crate) myself: Neighbour,
    /// What the region should run; `None` until it was read for the first time.
    pub(crate) desired: watch::Sender<Option<Arc<[DesiredService]>>>,
    /// Cancelled when the control plane has heard a newer leader.
    pub(crate) deposed: CancellationToken,
    roster: Mutex<Roster>,
    manifests: Mutex<HashMap<ArtifactId, Arc<[u8]>>>,
    store_bytes_read: AtomicU64,
}

impl Leading {
    pub(crate) fn new(term: i64, myself: Neighbour) -> Self {
        Self {
            term,
            myself,
            desired: watch::Sender::new(None),
            deposed: CancellationToken::new(),
            roster: Mutex::default(),
            manifests: Mutex::default(),
            store_bytes_read: AtomicU64::new(0),
        }
    }

    /// The hosts. Never held across a wait.
    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        // A panic elsewhere ends the leadership anyway, and the roster with it.
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The signed manifests of the artifacts that are seeded. Never held across a wait.
    pub(crate) fn manifests(&self) -> MutexGuard<'_, HashMap<ArtifactId, Arc<[u8]>>> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count_store_bytes(&self, bytes: u64) {
        self.store_bytes_read.fetch_add(bytes, Ordering::Relaxed);
        ::metrics::counter!(crate::metrics::STORE_READ_BYTES_TOTAL).increment(bytes);
    }

    pub(crate) fn store_bytes_read(&self) -> u64 {
        self.store_bytes_read.load(Ordering::Relaxed)
    }
}
