//! Bringing an artifact's files from a store to a folder.

use super::verify::first_wrong_piece;
use super::{ContentKey, Error, PART_LENGTH, PARTS_IN_FLIGHT, Store, cut};
use crate::buffers::Buffers;
use artifact::VerifiedManifest;
use fs_err as fs;
use futures::{StreamExt, TryStreamExt};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// So many bytes are written at once. With a whole part at once Linux takes memory for its page cache in the largest
/// blocks, which a virtual machine mostly has to get from its host first: six times slower than in small ones.
const WRITE_LENGTH: usize = 256 << 10;

/// Files that are there in their full length, to be filled.
struct Target {
    manifest: VerifiedManifest,
    /// In the order of the manifest.
    files: Vec<fs::File>,
}

impl Store {
    /// Fetches the files of an artifact, whose content lies at `key`, into a folder, several parts at a time. Each
    /// piece is compared with its hash before it is written; nothing is flushed.
    ///
    /// # Errors
    /// Refuses files that are there already, and content that isn't what the manifest says; fails when the store or
    /// the disk does. Files may be left half full then.
    pub async fn download(
        &self,
        key: &ContentKey,
        manifest: VerifiedManifest,
        folder: &Path,
    ) -> Result<(), Error> {
        let (key, folder) = (key.object(), folder.to_owned());
        let target = tokio::task::spawn_blocking(move || Target::create(manifest, &folder)).await??;
        let (target, buffers) = (Arc::new(target), Buffers::of(PART_LENGTH));
        let ranges = cut::parts(target.manifest.total_length()).map(|(_, range)| range);
        futures::stream::iter(ranges)
            .map(|range| {
                let (key, target, buffers) = (&key, target.clone(), buffers.clone());
                Box::pin(async move {
                    let mut buffer = buffers.take((range.end - range.start) as usize);
                    self.read_into(key, range.start, buffer.as_mut()).await?;
                    tokio::task::spawn_blocking(move || target.write(&range, buffer.as_ref())).await?
                })
            })
            .buffer_unordered(PARTS_IN_FLIGHT)
            .try_collect()
            .await
    }
}

impl Target {
    /// Blocks.
    fn create(manifest: VerifiedManifest, folder: &Path) -> Result<Self, Error> {
        let mut files = Vec::with_capacity(manifest.files().len());
        for entry in manifest.files() {
            let path = folder.join(entry.path.as_str());
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(Error::File)?;
            }
            let file = fs::File::create_new(&path).map_err(Error::File)?;
            file.set_len(entry.length).map_err(Error::File)?;
            if entry.executable {
                let permissions = PermissionsExt::from_mode(0o755);
                file.set_permissions(permissions).map_err(Error::File)?;
            }
            files.push(file);
        }
        Ok(Self { manifest, files })
    }

    /// Checks bytes of the content and writes them to their place. Blocks.
    fn write(&self, range: &Range<u64>, bytes: &[u8]) -> Result<(), Error> {
        if let Some(piece) = first_wrong_piece(&self.manifest, range.start, bytes) {
            return Err(Error::WrongPiece(piece));
        }
        let mut rest = bytes;
        for segment in self.manifest.segments(range.clone()) {
            let (here, behind) = rest.split_at(segment.length as usize);
            let file = self.files[segment.file].file();
            let places = (segment.offset..).step_by(WRITE_LENGTH);
            for (slice, place) in here.chunks(WRITE_LENGTH).zip(places) {
                file.write_all_at(slice, place).map_err(Error::File)?;
            }
            rest = behind;
        }
        Ok(())
    }
}
