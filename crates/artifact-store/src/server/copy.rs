//! Copying a range of an object into a new blob.

use super::backend::{Backend, internal};
use super::download::slices;
use super::folder::{BucketFolder, sync_parent};
use super::receive::{Draft, Unnamed};
use super::record::{Blob, ObjectRecord, PartRecord};
use crate::Crc64;
use fs_err as fs;
use s3s::{S3Result, s3_error};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use uuid::Uuid;

/// So much is copied at a time.
const BUFFER_LENGTH: u64 = 1 << 20;

impl Backend {
    /// Copies a range. A range that is exactly one blob shares its file, which never changes; another is
    /// read and written. Blocks.
    pub(super) fn copy(
        &self,
        (source_bucket, source): (&str, &ObjectRecord),
        range: Range<u64>,
        bucket: &str,
    ) -> S3Result<Draft> {
        let (from, to) = (self.bucket_folder(source_bucket), self.bucket_folder(bucket));
        let name = Uuid::now_v7();
        let length = range.end - range.start;
        let whole = single_blob(source, &range);
        let unnamed = Unnamed::new(to.blob(name));
        let linked = whole.map(|blob| fs::hard_link(from.blob(blob.file), to.blob(name)));
        if !matches!(linked, Some(Ok(()))) {
            copy_bytes(&from, source, range, &to, name).map_err(internal)?;
        }
        let crc64nvme = checksum(&to, name, length).map_err(internal)?;
        sync_parent(&to.blob(name)).map_err(internal)?;
        let blob = Blob { file: name, length };
        Ok(Draft {
            record: PartRecord::of(blob, crc64nvme),
            file: unnamed,
        })
    }
}

/// The blob that a range is, if it is exactly one.
fn single_blob(source: &ObjectRecord, range: &Range<u64>) -> Option<Blob> {
    let mut slices = slices(source, range.clone());
    let (blob, inside) = slices.next()?;
    (slices.next().is_none() && inside == (0..blob.length)).then_some(blob)
}

fn copy_bytes(
    from: &BucketFolder,
    source: &ObjectRecord,
    range: Range<u64>,
    to: &BucketFolder,
    name: Uuid,
) -> std::io::Result<()> {
    let mut target = fs::File::create_new(to.blob(name))?;
    for (blob, inside) in slices(source, range) {
        let file = fs::File::open(from.blob(blob.file))?;
        each_chunk(&file, inside, |bytes| target.write_all(bytes))?;
    }
    target.sync_all()
}

/// Reads what was copied: a checksum that only repeats the source's would hide damage.
fn checksum(place: &BucketFolder, name: Uuid, length: u64) -> std::io::Result<Crc64> {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    let file = fs::File::open(place.blob(name))?;
    each_chunk(&file, 0..length, |bytes| {
        digest.update(bytes);
        Ok(())
    })?;
    Ok(Crc64(digest.finalize()))
}

fn each_chunk(
    file: &fs::File,
    range: Range<u64>,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_LENGTH.min(range.end - range.start) as usize];
    let mut at = range.start;
    while at < range.end {
        let chunk = &mut buffer[..BUFFER_LENGTH.min(range.end - at) as usize];
        file.file().read_exact_at(chunk, at)?;
        take(chunk)?;
        at += chunk.len() as u64;
    }
    Ok(())
}

/// Reads `bytes=FIRST-LAST` of a copy's source.
pub(super) fn parse_range(text: Option<&str>, length: u64) -> S3Result<Range<u64>> {
    let Some(text) = text else { return Ok(0..length) };
    let range = s3s::dto::Range::parse(text).map_err(|error| s3_error!(error, InvalidArgument))?;
    // Unlike a read's, a copy's range must lie inside the source.
    match range {
        s3s::dto::Range::Int {
            first,
            last: Some(last),
        } if last < length => Ok(first..last + 1),
        _ => Err(s3_error!(InvalidRange)),
    }
}
