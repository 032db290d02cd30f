//! Making a manifest for new content.

use crate::files::{FileEntry, FileTable, Segment};
use crate::layout::{Layout, PieceHash, WrongPieceLength};
use crate::manifest::{InvalidManifest, Manifest, Provenance};
use crate::{MANIFEST_LENGTH_MAX, codec};
use std::ops::Range;

/// A manifest that lacks only its piece hashes. Everything else is checked before the first byte of
/// content is read, so that an upload never fails at its end for a reason known at its start.
#[derive(Debug, Clone)]
pub struct ManifestBuilder {
    files: FileTable,
    provenance: Provenance,
    layout: Layout,
}

impl ManifestBuilder {
    /// Takes the files in any order; the content has them in the order of their paths.
    ///
    /// # Errors
    /// Refuses what no manifest may hold; see [`InvalidManifest`].
    pub fn new(mut files: Vec<FileEntry>, provenance: Provenance) -> Result<Self, InvalidManifest> {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let files = FileTable::new(files)?;
        let layout = Layout::of(files.total_length());
        let without_hashes = codec::encode(&provenance, files.entries(), layout.piece_length(), &[]).len();
        // Three more bytes for the length of the hashes: a million of them is written in four.
        if without_hashes + layout.piece_count() as usize * 32 + 3 > MANIFEST_LENGTH_MAX {
            return Err(InvalidManifest::TooLong);
        }
        Ok(Self {
            files,
            provenance,
            layout,
        })
    }

    /// The files in the order of the content.
    pub fn files(&self) -> &[FileEntry] {
        self.files.entries()
    }

    /// How the content is cut: copy it to hash pieces on other threads.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Where a range of the content lies in the files, in order.
    pub fn segments(&self, range: Range<u64>) -> impl Iterator<Item = Segment> + '_ {
        self.files.segments(range)
    }

    /// Bytes of every piece but the last.
    pub fn piece_length(&self) -> u32 {
        self.layout.piece_length()
    }

    /// Hashes one piece, in any order.
    ///
    /// # Errors
    /// Refuses bytes that are not as long as the piece.
    pub fn hash_piece(&self, piece: u32, bytes: &[u8]) -> Result<PieceHash, WrongPieceLength> {
        self.layout.hash_piece(piece, bytes)
    }

    /// Makes the manifest from the hashes of all pieces, in order.
    ///
    /// # Errors
    /// Refuses another number of hashes than there are pieces.
    pub fn finish(self, pieces: Vec<PieceHash>) -> Result<Manifest, InvalidManifest> {
        Manifest::assemble(self.provenance, self.files, self.layout, pieces)
    }
}
