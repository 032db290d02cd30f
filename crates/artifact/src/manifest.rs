//! The manifest: what is in an artifact.

use crate::files::{FileEntry, FileTable, Segment};
use crate::layout::{Layout, PieceHash, content_hash};
use crate::path::{ArtifactPath, InvalidPath};
use crate::{CONTENT_LENGTH_MAX, FILES_MAX, MANIFEST_LENGTH_MAX, codec};
use model::{ArtifactId, Commit, RepositoryName, Target};
use std::ops::Range;

/// Where an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The repository's registered name.
    pub repository: RepositoryName,
    /// The commit that was checked out.
    pub commit: Commit,
    /// The target that was built.
    pub target: Target,
}

/// Why bytes are no manifest, or why files cannot make one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// More bytes than a manifest may have.
    #[error("the manifest is longer than {MANIFEST_LENGTH_MAX} bytes: pack fewer or shorter-named files")]
    TooLong,
    /// It does not begin like a manifest.
    #[error("these bytes are no manifest")]
    Magic,
    /// A later form of manifest.
    #[error("manifests of version {0} are not known here")]
    Version(u8),
    /// It ends early or holds something impossible.
    #[error("the manifest is damaged")]
    Encoding(#[source] postcard::Error),
    /// The same manifest could be written in another way, so its name would not be its own.
    #[error("the manifest is not in its canonical form")]
    NotCanonical,
    /// There is nothing in it.
    #[error("an artifact has at least one file")]
    NoFiles,
    /// More files than an artifact may have.
    #[error("an artifact has at most {FILES_MAX} files, not {0}")]
    TooManyFiles(u64),
    /// A path that could leave the artifact.
    #[error("a path in the manifest is refused")]
    Path(#[from] InvalidPath),
    /// The files are not in the order of their paths.
    #[error("{0} is not in its place: files are in the order of their paths")]
    Order(ArtifactPath),
    /// Two files that some file system takes for one, or a file where another needs a folder.
    #[error("{0} and {1} cannot lie in one folder tree")]
    Clash(String, String),
    /// More bytes than an artifact may have.
    #[error("an artifact has at most {CONTENT_LENGTH_MAX} bytes")]
    ContentTooLong,
    /// A piece length that is no power of two, or out of bounds.
    #[error("{0} is no piece length")]
    PieceLength(u32),
    /// Not one hash for each piece.
    #[error("the content has {expected} pieces, but {found} hashes were given")]
    PieceCount {
        /// Pieces of the content.
        expected: u64,
        /// Hashes.
        found: u64,
    },
    /// A repository, commit or target that is none.
    #[error("the {0} in the manifest is refused")]
    Provenance(&'static str),
}

/// What is in an artifact. Checked when made: see [`InvalidManifest`] for all that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    id: ArtifactId,
    provenance: Provenance,
    files: FileTable,
    layout: Layout,
    pieces: Vec<PieceHash>,
}

impl Manifest {
    /// Reads a manifest, refusing everything that [`InvalidManifest`] names.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        codec::decode(bytes)
    }

    /// The one encoding of this manifest.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(
            &self.provenance,
            self.files(),
            self.layout.piece_length(),
            &self.pieces,
        )
    }

    /// Puts checked parts together.
    pub(crate) fn assemble(
        provenance: Provenance,
        files: FileTable,
        layout: Layout,
        pieces: Vec<PieceHash>,
    ) -> Result<Self, InvalidManifest> {
        let expected = u64::from(layout.piece_count());
        let found = pieces.len() as u64;
        if expected != found {
            return Err(InvalidManifest::PieceCount { expected, found });
        }
        let encoded = codec::encode(&provenance, files.entries(), layout.piece_length(), &pieces);
        if encoded.len() > MANIFEST_LENGTH_MAX {
            return Err(InvalidManifest::TooLong);
        }
        Ok(Self {
            id: ArtifactId(*blake3::hash(&encoded).as_bytes()),
            provenance,
            files,
            layout,
            pieces,
        })
    }

    /// The artifact's name: the BLAKE3 hash of the encoded manifest.
    pub fn id(&self) -> ArtifactId {
        self.id
    }

    /// Where the artifact was built from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The files in the order of their paths, which is the order of the content.
    pub fn files(&self) -> &[FileEntry] {
        self.files.entries()
    }

    /// Bytes of content.
    pub fn total_length(&self) -> u64 {
        self.layout.total_length()
    }

    /// Bytes of every piece but the last.
    pub fn piece_length(&self) -> u32 {
        self.layout.piece_length()
    }

    /// How many pieces there are; none for an artifact of empty files.
    pub fn piece_count(&self) -> u32 {
        self.layout.piece_count()
    }

    /// How the content is cut.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// A piece's hash; `None` where there is no such piece.
    pub fn piece_hash(&self, piece: u32) -> Option<PieceHash> {
        self.pieces.get(piece as usize).copied()
    }

    /// The BLAKE3 hash of all content: of an artifact of one file, what `b3sum` prints for it.
    pub fn content_hash(&self) -> [u8; 32] {
        content_hash(&self.pieces)
    }

    /// Which bytes of the content a piece is; empty where there is no such piece.
    pub fn piece_range(&self, piece: u32) -> Range<u64> {
        self.layout.piece_range(piece)
    }

    /// Whether `bytes` are this piece, whole and unchanged.
    pub fn verify_piece(&self, piece: u32, bytes: &[u8]) -> bool {
        let hash = self.layout.hash_piece(piece, bytes).ok();
        hash.is_some() && hash == self.piece_hash(piece)
    }

    /// Where a range of the content lies in the files, in order. What is beyond the content's end is
    /// left out.
    pub fn segments(&self, range: Range<u64>) -> impl Iterator<Item = Segment> + '_ {
        self.files.segments(range)
    }
}
