//! Artifacts that nobody needs any more.

use model::{ArtifactId, RepositoryName, Target};
use serde::{Deserialize, Serialize};

/// `GET /v1/collection` says what would go; `POST` lets it go. Of very many artifacts, the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// What goes, or would.
    pub collected: Vec<CollectionEntry>,
    /// What stays.
    pub kept: Vec<CollectionEntry>,
    /// Bytes of content that go, in each store that holds them.
    pub freed_bytes: u64,
    /// How many stores that is at most: the main one and every region's.
    pub stores: u64,
    /// How many artifacts were let go of and are not gone from every store yet, these among them.
    pub being_removed: u64,
    /// Whether it goes.
    pub applied: bool,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionEntry {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// From which repository.
    pub repository: RepositoryName,
    /// From which target.
    pub target: Target,
    /// The length of its content.
    pub total_bytes: u64,
    /// How long ago it was built last, in seconds.
    pub age_seconds: u64,
    /// Why it stays; none where it goes.
    pub reason: Option<String>,
}
