//! Where the bytes that a node serves come from.

use artifact::VerifiedManifest;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Where an artifact that is served lies.
#[derive(Clone)]
pub enum Source {
    /// Its files lie in this folder.
    Folder(PathBuf),
    /// Something else can read its bytes, such as a region's object store.
    Remote(Arc<dyn PieceSource>),
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => formatter.debug_tuple("Folder").field(folder).finish(),
            Self::Remote(_) => formatter.write_str("Remote"),
        }
    }
}

/// Another artifact on this disk, which may hold pieces of one that is fetched.
#[derive(Debug, Clone)]
pub struct Donor {
    /// What should lie there. It says only where to look.
    pub manifest: VerifiedManifest,
    /// Where.
    pub folder: PathBuf,
}

/// Reads pieces of one artifact from somewhere. What it returns is verified before it is served.
#[async_trait::async_trait]
pub trait PieceSource: Send + Sync {
    /// Reads one whole piece; `range` is where it lies in the artifact's content, in bytes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::QuotaExceeded`] where the source gives no more for a while on purpose, and
    /// [`io::ErrorKind::PermissionDenied`] where it refuses; anything else is a fault.
    async fn read(&self, piece: u32, range: Range<u64>) -> io::Result<Bytes>;
}
