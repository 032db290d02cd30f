//! Where the bytes of a piece that goes out come from.

use crate::disk::{Folder, read};
use crate::{PieceSource, metrics};
use artifact::VerifiedManifest;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

/// How long a remote source may take for one piece.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(20);
/// Chunks that are read ahead of the network.
const CHUNKS_AHEAD: usize = 1;

/// One piece, and where it lies.
#[derive(Clone)]
pub(crate) enum Supply {
    /// In files, whose bytes were verified before.
    Files { folder: Folder, piece: u32 },
    /// Somewhere that has to be asked. What comes is verified before it is sent.
    Remote {
        manifest: VerifiedManifest,
        source: Arc<dyn PieceSource>,
        piece: u32,
    },
}

impl fmt::Debug for Supply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (manifest, piece) = self.name();
        write!(formatter, "piece {piece} of {}", manifest.id().short())
    }
}

impl Supply {
    fn name(&self) -> (&VerifiedManifest, u32) {
        match self {
            Self::Files { folder, piece } => (folder.manifest(), *piece),
            Self::Remote { manifest, piece, .. } => (manifest, *piece),
        }
    }

    /// The piece's length in bytes.
    pub(super) fn length(&self) -> u64 {
        let (manifest, piece) = self.name();
        let range = manifest.piece_range(piece);
        range.end - range.start
    }

    /// Begins to read; the chunks come in order. Fewer than the piece has mean that it cannot be read.
    pub(super) fn open(self, tasks: &TaskTracker) -> mpsc::Receiver<Bytes> {
        let (to, chunks) = mpsc::channel(CHUNKS_AHEAD);
        match self {
            Self::Files { folder, piece } => {
                tasks.spawn_blocking(move || {
                    if let Err(error) = read::send_piece(&folder, piece, &to) {
                        let artifact = folder.manifest().id().short();
                        tracing::warn!(%artifact, piece, %error, "a piece could not be read");
                        metrics::count(metrics::PIECES_UNREADABLE, 1);
                    }
                });
            }
            Self::Remote {
                manifest,
                source,
                piece,
            } => {
                tasks.spawn(async move {
                    // The receiver is gone when nobody needs the piece any more.
                    let read = tokio::select! {
                        read = read_remote(&manifest, source, piece) => read,
                        () = to.closed() => return,
                    };
                    match read {
                        Ok(Some(bytes)) => to.send(bytes).await.unwrap_or_default(),
                        Ok(None) => {}
                        Err(reason) => {
                            let artifact = manifest.id().short();
                            tracing::warn!(%artifact, piece, reason, "a piece could not be read from its source");
                            metrics::count(metrics::PIECES_UNREADABLE, 1);
                        }
                    }
                });
            }
        }
        chunks
    }
}

/// Nothing where the source gives slowly on purpose; its askers turn to others.
async fn read_remote(
    manifest: &VerifiedManifest,
    source: Arc<dyn PieceSource>,
    piece: u32,
) -> Result<Option<Bytes>, String> {
    let read = source.read(piece, manifest.piece_range(piece));
    let bytes = match tokio::time::timeout(SOURCE_TIMEOUT, read).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if error.kind() == io::ErrorKind::QuotaExceeded => return Ok(None),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("it took too long".to_owned()),
    };
    let (manifest, checked) = (manifest.clone(), bytes.clone());
    let right = spawn_blocking(move || manifest.verify_piece(piece, &checked)).await;
    if !right.unwrap_or(false) {
        return Err("its bytes have another hash than the manifest names".to_owned());
    }
    Ok(Some(bytes))
}
