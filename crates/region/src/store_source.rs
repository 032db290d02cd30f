//! Reading an artifact's pieces from the region's store, to seed them.

use crate::leading::Leading;
use artifact_store::{ContentKey, Store};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// The most bytes of pieces that are kept for the next host that asks for them.
const CACHE_LENGTH_MAX: u64 = 32 << 20;
/// The most reads at once; each holds a piece of at most 8 MiB.
const READS_AT_ONCE_MAX: usize = 4;

/// What all artifacts of one leader share.
#[derive(Debug)]
pub(crate) struct Reader {
    store: Store,
    leading: Arc<Leading>,
    reads: Semaphore,
    cache: Mutex<Cache>,
}

/// The newest pieces. A piece that is being read is in it already, so that two who want it at the same time
/// share one read.
#[derive(Debug, Default)]
struct Cache {
    pieces: VecDeque<(PieceKey, u64, Arc<OnceCell<Bytes>>)>,
    length: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PieceKey {
    content: ContentKey,
    piece: u32,
}

impl Reader {
    pub(crate) fn new(store: Store, leading: Arc<Leading>) -> Self {
        Self {
            store,
            leading,
            reads: Semaphore::new(READS_AT_ONCE_MAX),
            cache: Mutex::default(),
        }
    }

    async fn read(&self, key: PieceKey, range: Range<u64>) -> io::Result<Bytes> {
        let length = range.end.saturating_sub(range.start);
        let cell = {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.cell(&key, length)
        };
        let read = cell.get_or_try_init(|| async {
            let _permit = self.reads.acquire().await.map_err(io::Error::other)?;
            let bytes = self.store.read(&key.content, range).await.map_err(io::Error::other)?;
            self.leading.count_store_bytes(bytes.len() as u64);
            Ok(bytes)
        });
        read.await.cloned()
    }
}

impl Cache {
    fn cell(&mut self, key: &PieceKey, length: u64) -> Arc<OnceCell<Bytes>> {
        if let Some((_, _, cell)) = self.pieces.iter().find(|(known, _, _)| known == key) {
            return cell.clone();
        }
        let cell = Arc::new(OnceCell::new());
        self.pieces.push_back((key.clone(), length, cell.clone()));
        self.length += length;
        while self.length > CACHE_LENGTH_MAX {
            let Some((_, length, _)) = self.pieces.pop_front() else {
                break;
            };
            self.length -= length;
        }
        cell
    }
}

/// One artifact in the store.
#[derive(Debug)]
pub(crate) struct StoreSource {
    pub(crate) reader: Arc<Reader>,
    pub(crate) content: ContentKey,
}

#[async_trait::async_trait]
impl swarm::PieceSource for StoreSource {
    async fn read(&self, piece: u32, range: Range<u64>) -> io::Result<Bytes> {
        let key = PieceKey {
            content: self.content.clone(),
            piece,
        };
        self.reader.read(key, range).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_shares_reads_and_keeps_the_newest_within_its_bounds() {
        let mut cache = Cache::default();
        let content = ContentKey::of_replica(&model::ArtifactId([1; 32]));
        let key = |piece| PieceKey {
            content: content.clone(),
            piece,
        };
        let first = cache.cell(&key(0), 8 << 20);
        assert!(Arc::ptr_eq(&first, &cache.cell(&key(0), 8 << 20)), "asked twice, read once");
        for piece in 1..=4 {
            cache.cell(&key(piece), 8 << 20);
            assert!(cache.length <= CACHE_LENGTH_MAX);
        }
        assert!(!Arc::ptr_eq(&first, &cache.cell(&key(0), 8 << 20)), "the oldest went");
    }
}
