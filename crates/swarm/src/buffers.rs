//! Memory that the bytes of pieces pass through, used again.
//!
//! A piece's buffer lives for milliseconds. Taken from the system and given back each time, it would be
//! zeroed by the kernel page by page, and by us once more where it is read into: a few hundredths of the
//! processor time of a transfer. So a few buffers that nobody holds are kept for the next piece, and what went
//! unused for a tick goes back.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of buffers that are kept while nobody holds them: one of the largest pieces, or many small ones, whose
/// buffers come and go the fastest.
const KEPT_MAX: usize = 8 << 20;
/// A kept buffer is used where less than this multiple of what is asked for would do.
const SPARE_MAX: usize = 2;

/// The buffers of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The one that was given back last stands last, and is used first: it may still be in the
    /// processor's cache.
    free: Vec<Vec<u8>>,
    bytes: usize,
    /// The least that were free since the last look, which are those in front.
    unused: usize,
}

impl Buffers {
    /// An empty buffer with room for so many bytes.
    pub(crate) fn take(&self, capacity: usize) -> Buffer {
        let fits =
            |free: &Vec<u8>| (capacity..=capacity.saturating_mul(SPARE_MAX)).contains(&free.capacity());
        let mut kept = self.kept();
        let bytes = match kept.free.iter().rposition(fits) {
            Some(found) => {
                let bytes = kept.free.remove(found);
                kept.bytes -= bytes.capacity();
                kept.unused = kept.unused.min(kept.free.len());
                bytes
            }
            None => Vec::with_capacity(capacity),
        };
        Buffer {
            bytes,
            length: 0,
            home: self.clone(),
        }
    }

    /// Gives back to the system what nobody took since this was last called.
    pub(crate) fn tidy(&self) {
        let mut kept = self.kept();
        let unused = kept.unused;
        let idle: Vec<Vec<u8>> = kept.free.drain(..unused).collect();
        kept.bytes -= idle.iter().map(Vec::capacity).sum::<usize>();
        kept.unused = kept.free.len();
        // Unlocked first: to give back takes the system its time.
        drop(kept);
        drop(idle);
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut kept = self.kept();
        if kept.bytes + bytes.capacity() <= KEPT_MAX {
            kept.bytes += bytes.capacity();
            kept.free.push(bytes);
        }
    }

    /// What is known is whole between any two of its steps.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes in memory that is used again once they are dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Its first `length` bytes are the buffer's; those behind are left over from earlier, and spare us
    /// to write zeros before something is read there.
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Buffer {
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    pub(crate) fn extend_from_slice(&mut self, more: &[u8]) {
        let used = &mut self.bytes[self.length..];
        let (over, behind) = more.split_at(more.len().min(used.len()));
        used[..over.len()].copy_from_slice(over);
        self.bytes.extend_from_slice(behind);
        self.length += more.len();
    }

    /// The room for so many bytes behind those of the buffer, whatever it holds. [`Self::grow`] makes some of it the
    /// buffer's.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.length + bytes;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.length..end]
    }

    /// Takes in so many bytes of the room behind the buffer, as far as there is one.
    pub(crate) fn grow(&mut self, by: usize) {
        self.length = (self.length + by).min(self.bytes.len());
    }

    /// Makes the buffer longer by so many bytes, which hold anything until they are written.
    pub(crate) fn lengthen(&mut self, by: usize) -> &mut [u8] {
        let start = self.length;
        self.room(by);
        self.grow(by);
        &mut self.bytes[start..self.length]
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Buffer {}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept_bytes(buffers: &Buffers) -> usize {
        buffers.kept().bytes
    }

    proptest! {
        #[test]
        fn a_used_buffer_holds_only_what_was_put_in_since(
            before in proptest::collection::vec(any::<u8>(), 0..60),
            parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..6),
        ) {
            let buffers = Buffers::default();
            buffers.take(60).extend_from_slice(&before);
            let mut buffer = buffers.take(60);
            for (in_place, part) in &parts {
                match in_place {
                    true => buffer.lengthen(part.len()).copy_from_slice(part),
                    false => buffer.extend_from_slice(part),
                }
            }
            let all: Vec<u8> = parts.into_iter().flat_map(|(_, part)| part).collect();
            prop_assert_eq!(&*buffer, &all[..]);
        }
    }

    #[test]
    fn memory_is_used_again_where_little_of_it_would_be_spare() {
        let buffers = Buffers::default();
        let mut large = buffers.take(1000);
        large.extend_from_slice(&[1; 1000]);
        let place = large.as_ptr();
        drop(large);
        assert_ne!(buffers.take(499).bytes.as_ptr(), place);
        assert_eq!(buffers.take(500).bytes.as_ptr(), place);
        assert_ne!(buffers.take(1001).bytes.as_ptr(), place);
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_nothing_that_goes_unused() {
        let buffers = Buffers::default();
        let piece = KEPT_MAX / 2;
        drop((0..8).map(|_| buffers.take(piece)).collect::<Vec<_>>());
        assert_eq!(kept_bytes(&buffers), KEPT_MAX);
        buffers.tidy();
        // One of the two is used in between.
        drop(buffers.take(piece));
        buffers.tidy();
        assert_eq!(kept_bytes(&buffers), piece);
        buffers.tidy();
        assert_eq!(kept_bytes(&buffers), 0);
    }
}
