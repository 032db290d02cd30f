//! Sending an object's bytes.

use super::folder::BucketFolder;
use super::record::{Blob, ObjectRecord};
use crate::buffers::Buffers;
use bytes::Bytes;
use fs_err as fs;
use futures::Stream;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// So much is read from the disk, and held for one client, at a time.
const CHUNK_LENGTH: u64 = 1 << 20;

/// Which bytes of which blobs a range of an object is, in order.
pub(super) fn slices(
    record: &ObjectRecord,
    range: Range<u64>,
) -> impl Iterator<Item = (Blob, Range<u64>)> + '_ {
    let starts = record.blobs.iter().scan(0, |next, blob| {
        let start = *next;
        *next += blob.length;
        Some((start, *blob))
    });
    starts.filter_map(move |(start, blob)| {
        let from = range.start.max(start);
        let to = range.end.min(start + blob.length);
        (from < to).then(|| (blob, from - start..to - start))
    })
}

/// What is still to be sent.
struct Remaining {
    slices: VecDeque<(PathBuf, Range<u64>)>,
    /// The file of the first slice, once it was opened.
    file: Option<fs::File>,
    /// One that is sent and one that is read.
    buffers: Arc<Buffers>,
}

/// The bytes of a range. One chunk at a time is read, when the client has taken the one before.
pub(super) fn stream(
    place: &BucketFolder,
    record: &ObjectRecord,
    range: Range<u64>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
    let slices = slices(record, range).map(|(blob, inside)| (place.blob(blob.file), inside));
    let remaining = Remaining {
        slices: slices.collect(),
        file: None,
        buffers: Buffers::of(CHUNK_LENGTH),
    };
    futures::stream::try_unfold(remaining, |remaining| async {
        tokio::task::spawn_blocking(move || remaining.next_chunk()).await?
    })
}

impl Remaining {
    fn next_chunk(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let Some((path, range)) = self.slices.front_mut() else {
            return Ok(None);
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => fs::File::open(&*path)?,
        };
        // At most CHUNK_LENGTH.
        let length = CHUNK_LENGTH.min(range.end - range.start);
        let mut bytes = self.buffers.take(length as usize);
        file.file().read_exact_at(bytes.as_mut(), range.start)?;
        range.start += length;
        if range.is_empty() {
            self.slices.pop_front();
        } else {
            self.file = Some(file);
        }
        Ok(Some((bytes.freeze(), self)))
    }
}
