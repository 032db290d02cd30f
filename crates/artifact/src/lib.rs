//! Floor 1: what an artifact is.
//!
//! An artifact is a set of files laid end to end in path order, cut into pieces of equal length. Its
//! manifest says which files, how long, which BLAKE3 subtree hash each piece has and where it was
//! built from. The BLAKE3 hash of the manifest names the artifact, and an Ed25519 signature over a statement
//! about that name says who built it, from what and how.
//!
//! Promises:
//! - Whatever [`Manifest::decode`] lets through is whole and safe to lay out on a disk: bounded,
//!   canonical (one artifact has one encoding), its paths stay inside the artifact and never clash.
//! - [`Manifest::content_hash`] is the hash of all content bytes; for an artifact of one file it is what
//!   `b3sum FILE` prints.
//! - A [`VerifiedManifest`] exists only where a trusted key's signature was checked, under a statement of
//!   provenance that is about that very manifest.
//!
//! This crate never does I/O, reads no clock, draws no random numbers and takes no memory for a count
//! or length that it hasn't checked.

mod builder;
mod codec;
mod files;
mod layout;
mod manifest;
mod path;
mod reuse;
mod signature;
mod statement;

pub use builder::ManifestBuilder;
pub use files::{FileEntry, Segment};
pub use layout::{Layout, PieceHash, WrongPieceLength, piece_length_for};
pub use manifest::{InvalidManifest, Manifest, Provenance};
pub use path::{ArtifactPath, InvalidPath};
pub use reuse::{Candidate, reusable};
pub use signature::{
    InvalidKey, InvalidSignedManifest, KeyId, NotTrusted, PublicKey, SignedManifest, SigningKey, TrustedKeys,
    VerifiedManifest,
};
pub use statement::{
    BuildRun, ENVELOPE_LENGTH_MAX, Envelope, InvalidEnvelope, InvalidStatement, STATEMENT_LENGTH_MAX,
    Statement,
};

/// The shortest piece, in bytes: below it, asking costs more than carrying.
pub const PIECE_LENGTH_MIN: u32 = 64 << 10;
/// The longest piece, in bytes: what a host must hold in memory to verify one.
pub const PIECE_LENGTH_MAX: u32 = 8 << 20;
/// The most files in an artifact.
pub const FILES_MAX: usize = 100_000;
/// The longest encoded manifest, in bytes.
pub const MANIFEST_LENGTH_MAX: usize = 16 << 20;
/// The most content in an artifact, in bytes.
pub const CONTENT_LENGTH_MAX: u64 = 64 << 30;
/// The longest path of a file in an artifact, in bytes.
pub const PATH_LENGTH_MAX: usize = 1024;
/// The most public keys that may be trusted at once; more than one is for rotation.
pub const TRUSTED_KEYS_MAX: usize = 8;
