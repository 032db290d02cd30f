//! Buffers of one part each, used again and again.
//!
//! An allocator keeps what many threads free in turn for each of them, so that allocating every part
//! anew would hold several times the memory that is in use.

use super::PART_LENGTH;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// The free buffers of one transfer; it owns as many as it ever used at once.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer in use; it goes back when this, or the last [`Bytes`] made of it, is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Buffers {
    /// A buffer of `length` bytes, at most [`PART_LENGTH`]; what is in it is not said.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = free.unwrap_or_else(|| Vec::with_capacity(PART_LENGTH as usize));
        bytes.resize(length, 0);
        Buffer {
            bytes,
            home: self.clone(),
        }
    }
}

impl Buffer {
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn freeze(self) -> Bytes {
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
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(bytes);
    }
}
