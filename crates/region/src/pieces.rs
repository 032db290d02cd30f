//! An artifact's pieces as a manager gives them: each read from the store when somebody is sent it.

use crate::budget::Budget;
use crate::metrics;
use artifact_store::{ContentKey, Store};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use swarm::PieceSource;
use tokio::time::Instant;

/// How much was read of all artifacts. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings(Arc<AtomicU64>);

impl Readings {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        ::metrics::counter!(metrics::STORE_BYTES_TOTAL).increment(bytes);
    }
}

/// Reads pieces where they lie, as far as the budget goes. The swarm hashes them before it sends them.
pub(crate) struct StorePieces {
    store: Store,
    content: ContentKey,
    budget: Mutex<Budget>,
    readings: Readings,
}

impl StorePieces {
    pub(crate) fn new(store: Store, content: ContentKey, length: u64, readings: Readings) -> Self {
        Self {
            store,
            content,
            budget: Mutex::new(Budget::new(length, Instant::now())),
            readings,
        }
    }
}

#[async_trait::async_trait]
impl PieceSource for StorePieces {
    async fn read(&self, _piece: u32, range: Range<u64>) -> io::Result<Bytes> {
        let length = range.end.saturating_sub(range.start);
        // A budget is whole between any two of its steps.
        let allowed = self
            .budget
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(length, Instant::now());
        if !allowed {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the store was read often enough for now",
            ));
        }
        let bytes = self
            .store
            .read(&self.content, range)
            .await
            .map_err(io::Error::other)?;
        self.readings.add(bytes.len() as u64);
        Ok(bytes)
    }
}
