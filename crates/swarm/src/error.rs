//! What can go wrong, for callers.

use crate::PeerId;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why something in the swarm failed. Cheap to clone, since everybody who waits for a fetch hears
/// of its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A key file is there and holds no key.
    #[error("{path:?} holds no key: expected 64 hexadecimal digits")]
    KeyFile {
        /// Which file.
        path: PathBuf,
    },
    /// A key or certificate could not be made, read or written.
    #[error("failed to {doing}")]
    Io {
        /// What was tried, as a verb and its object.
        doing: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// This node's own certificate would be refused by every peer.
    #[error("this node's certificate is of no use")]
    OwnCertificate(#[from] crate::InvalidCertificate),
    /// A text that is no multiaddress of a TCP port.
    #[error("{0:?} is not an address: write /ip4/ADDRESS/tcp/PORT")]
    Address(String),
    /// A text that is no peer id.
    #[error("{0:?} is not a peer id")]
    PeerId(String),
    /// The operating system refused to listen.
    #[error("failed to listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        reason: String,
    },
    /// More neighbours, calls or artifacts at once than a node takes.
    #[error("too many {what}: at most {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A request or an answer that is longer than one may be.
    #[error("a {what} of {length} bytes is too long: at most {max}")]
    TooLong {
        /// Request or answer.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A peer could not be reached, or was and went away.
    #[error("peer {peer} cannot be reached: {reason}")]
    Unreachable {
        /// Whom.
        peer: PeerId,
        /// What happened.
        reason: String,
    },
    /// A peer was reached and had no room for the request.
    #[error("peer {0} is busy")]
    Busy(PeerId),
    /// A peer did not answer in time.
    #[error("peer {0} did not answer in time")]
    Timeout(PeerId),
    /// The file system of a fetch's folder is full. What was fetched stays; fetch again once there
    /// is room.
    #[error("no space is left for {folder:?}")]
    DiskFull {
        /// The folder of the fetch.
        folder: PathBuf,
    },
    /// A file or folder of an artifact could not be made, read or written.
    #[error("failed to use {path:?}")]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A folder that was to be served does not hold the artifact.
    #[error("{folder:?} holds {verified} of {pieces} pieces of the artifact")]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// How many pieces are there and have the right hash.
        verified: u32,
        /// How many there should be.
        pieces: u32,
    },
    /// The artifact is fetched to or served from somewhere else. Forget it there first.
    #[error("the artifact is handled at {place} already")]
    Elsewhere {
        /// The folder, or `remote`.
        place: String,
    },
    /// The artifact was forgotten while somebody waited for it.
    #[error("the artifact was forgotten")]
    Forgotten,
    /// The swarm has stopped.
    #[error("the swarm has stopped")]
    Stopped,
}
