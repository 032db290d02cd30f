//! Finds out which pieces a folder holds.

use super::{Folder, read::read_piece};
use crate::Error;
use std::io;
use swarm_core::PieceSet;
use tokio_util::sync::CancellationToken;

/// Reads and hashes everything; the pieces whose hash is right. Holds one piece in memory. A file
/// that lacks or is too short only means that its pieces lack.
///
/// # Errors
///
/// [`Error::Disk`] if a file is there and cannot be read. [`Error::Forgotten`] if it was cancelled.
pub(crate) fn verify(folder: &Folder, cancel: &CancellationToken) -> Result<PieceSet, Error> {
    let manifest = folder.manifest();
    let mut have = PieceSet::empty(manifest.piece_count());
    let mut buffer = folder.piece_buffer();
    for piece in 0..manifest.piece_count() {
        if cancel.is_cancelled() {
            return Err(Error::Forgotten);
        }
        match read_piece(folder, piece, &mut buffer) {
            Ok(()) if manifest.verify_piece(piece, &buffer) => {
                have.insert(piece);
            }
            Ok(()) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(folder.failed(folder.root(), error)),
        }
    }
    Ok(have)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}
