//! Buffers of one length, used again and again.
//!
//! An allocator keeps what many threads free in turn for each of them, so that allocating every part
//! anew would hold several times the memory that is in use; and memory that is new has to be cleared.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// The free buffers of one transfer; it owns as many as it ever used at once.
#[derive(Debug)]
pub(crate) struct Buffers {
    capacity: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer in use; it goes back when this, or the last [`Bytes`] made of it, is dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Buffers {
    /// None yet; each will have this capacity in bytes.
    pub(crate) fn of(capacity: u64) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity as usize,
            free: Mutex::default(),
        })
    }

    /// A buffer of `length` bytes, at most the capacity; what is in it is not said.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = free.unwrap_or_else(|| Vec::with_capacity(self.capacity));
        bytes.resize(length, 0);
        Buffer {
            bytes,
            home: self.clone(),
        }
    }
}

impl Buffer {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.home
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(bytes);
    }
}
