//! What a node is doing, for pages and tests.

use crate::{PeerId, Role};
use model::instance::Transfer;
use model::{ArtifactId, HostName};

/// A node at one moment.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Certified peers that are connected.
    pub peers: Vec<PeerStatus>,
    /// Artifacts that are fetched or served.
    pub artifacts: Vec<ArtifactStatus>,
    /// Peers that sent wrong bytes and are not spoken to for a while.
    pub banned: Vec<BannedPeer>,
}

/// One connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its key's hash.
    pub peer: PeerId,
    /// Its machine, by its certificate.
    pub name: HostName,
    /// What it is, by its certificate.
    pub role: Role,
}

/// One artifact.
#[derive(Debug, Clone)]
pub struct ArtifactStatus {
    /// Which.
    pub artifact: ArtifactId,
    /// How its bytes came.
    pub transfer: Transfer,
    /// Bytes that were sent to other peers.
    pub served_bytes: u64,
    /// Whether every piece is here.
    pub complete: bool,
    /// At place `n`, the pieces of which `n` of the neighbours that take part hold a copy; one place more
    /// than those neighbours. Empty while it is not shared with anybody.
    pub rarity: Vec<u32>,
}

/// One banned peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannedPeer {
    /// Its key's hash.
    pub peer: PeerId,
    /// Its machine, by its certificate.
    pub name: HostName,
    /// What it did.
    pub reason: String,
}
