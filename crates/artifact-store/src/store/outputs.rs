//! Reading a build's outputs as the content of an artifact, part by part, with all hashes in one pass.

use super::verify::first_wrong_piece;
use super::{Crc64, Error, PART_LENGTH};
use crate::buffers::{Buffer, Buffers};
use artifact::{FileEntry, Manifest, ManifestBuilder, PieceHash, Provenance};
use fs_err as fs;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

/// What a build produced: each file's place in the artifact and on the disk.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// In any order. A path on the disk must name a regular file, not a link.
    pub files: Vec<(FileEntry, PathBuf)>,
    /// Where it was built from.
    pub provenance: Provenance,
}

impl Outputs {
    /// Looks at the files. From here on every look must see the same.
    ///
    /// # Errors
    /// Refuses outputs that make no artifact.
    pub async fn plan(self) -> Result<PlannedOutputs, Error> {
        let plan = tokio::task::spawn_blocking(move || Plan::new(self)).await??;
        Ok(PlannedOutputs(Arc::new(plan)))
    }
}

/// Outputs that were looked at. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PlannedOutputs(pub(super) Arc<Plan>);

impl PlannedOutputs {
    /// Bytes of content.
    pub fn total(&self) -> u64 {
        self.0.total()
    }

    /// Whether these files are an artifact that was built from the same before. Reads them until the first difference,
    /// and changes nothing.
    ///
    /// # Errors
    /// Refuses files that changed meanwhile.
    pub async fn are(&self, manifest: Manifest) -> Result<bool, Error> {
        let plan = self.0.clone();
        tokio::task::spawn_blocking(move || plan.is(&manifest)).await?
    }
}

/// Outputs that were looked at: every later look must see the same files.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) manifest: ManifestBuilder,
    provenance: Provenance,
    sources: Vec<Source>,
    buffers: Arc<Buffers>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from a replaced or rewritten one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One part, read and hashed.
#[derive(Debug)]
pub(super) struct ReadPart {
    pub(super) bytes: Buffer,
    pub(super) crc64nvme: Crc64,
    pub(super) pieces: Vec<PieceHash>,
}

impl Plan {
    /// Looks at every file. Blocks.
    pub(super) fn new(outputs: Outputs) -> Result<Self, Error> {
        let (entries, paths): (Vec<FileEntry>, Vec<PathBuf>) = outputs.files.into_iter().unzip();
        let mut by_path: BTreeMap<_, _> = entries
            .iter()
            .map(|entry| entry.path.clone())
            .zip(paths)
            .collect();
        let manifest = ManifestBuilder::new(entries, outputs.provenance.clone()).map_err(Error::Outputs)?;
        let mut sources = Vec::with_capacity(manifest.files().len());
        for entry in manifest.files() {
            // The builder refuses two files of one path, so each finds its own.
            let path = by_path.remove(&entry.path).unwrap_or_default();
            let metadata = fs::symlink_metadata(&path).map_err(Error::File)?;
            if !metadata.is_file() || metadata.len() != entry.length {
                return Err(Error::FileChanged(path));
            }
            sources.push(Source {
                path,
                identity: Identity::of(&metadata),
            });
        }
        Ok(Self {
            manifest,
            provenance: outputs.provenance,
            sources,
            buffers: Buffers::of(PART_LENGTH),
        })
    }

    pub(super) fn total(&self) -> u64 {
        self.manifest.layout().total_length()
    }

    /// How many parts the content has; none for empty content.
    pub(super) fn part_count(&self) -> u64 {
        self.total().div_ceil(PART_LENGTH)
    }

    /// Reads and hashes a part, counted from 0. Blocks; holds the part's bytes and nothing else.
    pub(super) fn read_part(&self, part: u64) -> Result<ReadPart, Error> {
        let start = part * PART_LENGTH;
        let bytes = self.read_bytes(start)?;
        let piece_length = self.manifest.piece_length() as usize;
        // PART_LENGTH is a multiple of every piece length.
        let first_piece = (start / piece_length as u64) as u32;
        let layout = self.manifest.layout();
        let pieces = bytes
            .as_ref()
            .par_chunks(piece_length)
            .enumerate()
            .map(|(at, piece)| layout.hash_piece(first_piece + at as u32, piece));
        Ok(ReadPart {
            pieces: pieces.collect::<Result<_, _>>()?,
            crc64nvme: Crc64::of(bytes.as_ref()),
            bytes,
        })
    }

    /// Whether the files are what a manifest says, and come from the same. Blocks; reads until the first difference.
    pub(super) fn is(&self, manifest: &Manifest) -> Result<bool, Error> {
        if self.manifest.files() != manifest.files() || self.provenance != *manifest.provenance() {
            return Ok(false);
        }
        for part in 0..self.part_count() {
            let start = part * PART_LENGTH;
            let bytes = self.read_bytes(start)?;
            if first_wrong_piece(manifest, start, bytes.as_ref()).is_some() {
                return Ok(false);
            }
        }
        self.check_unchanged()?;
        Ok(true)
    }

    /// The content from `start`, where a part begins, to the part's end.
    fn read_bytes(&self, start: u64) -> Result<Buffer, Error> {
        let end = self.total().min(start + PART_LENGTH);
        // A part is at most 16 MiB.
        let mut bytes = self.buffers.take((end - start) as usize);
        let mut filled = 0;
        for segment in self.manifest.segments(start..end) {
            let source = &self.sources[segment.file];
            let target = &mut bytes.as_mut()[filled..][..segment.length as usize];
            source.read(segment.offset, target)?;
            filled += target.len();
        }
        Ok(bytes)
    }

    /// Checks that all files are still what they were. Blocks.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        self.sources.iter().try_for_each(|source| {
            let metadata = fs::symlink_metadata(&source.path).map_err(Error::File)?;
            source.check(&metadata)
        })
    }
}

impl Source {
    fn read(&self, offset: u64, target: &mut [u8]) -> Result<(), Error> {
        let file = fs::File::open(&self.path).map_err(Error::File)?;
        self.check(&file.metadata().map_err(Error::File)?)?;
        file.file()
            .read_exact_at(target, offset)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => Error::FileChanged(self.path.clone()),
                _ => Error::File(error),
            })?;
        self.check(&file.metadata().map_err(Error::File)?)
    }

    fn check(&self, metadata: &Metadata) -> Result<(), Error> {
        if Identity::of(metadata) == self.identity {
            Ok(())
        } else {
            Err(Error::FileChanged(self.path.clone()))
        }
    }
}
