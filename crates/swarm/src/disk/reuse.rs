//! Takes what another artifact on this disk has at the same place.

use super::Folder;
use super::read::read_segments;
use super::write::{Written, write_piece};
use crate::Error;
use artifact::reusable;
use swarm_core::PieceSet;
use tokio_util::sync::CancellationToken;

/// Copies pieces that lack in `folder` and that one of the donors has, and adds them to `have`. A donor is
/// never believed: each piece is read into memory, one at a time, hashed against the folder's own manifest,
/// and only then written. (The kernel could copy without that way through memory; then the bytes that were
/// hashed and those in place would be two readings of a file that somebody may be writing to.)
///
/// # Errors
///
/// [`Error::DiskFull`] or [`Error::Disk`] if the folder can't be written, never for what is wrong with a
/// donor. [`Error::Forgotten`] if it was cancelled; what was copied until then counts.
pub(crate) fn reuse(
    folder: &Folder,
    donors: &[Folder],
    have: &mut PieceSet,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let mut buffer = folder.piece_buffer();
    for donor in donors {
        for candidate in reusable(folder.manifest(), donor.manifest()) {
            if cancel.is_cancelled() {
                return Err(Error::Forgotten);
            }
            if have.contains(candidate.piece) {
                continue;
            }
            if let Err(error) = read_segments(donor, candidate.segments, &mut buffer) {
                tracing::debug!(donor = ?donor.root(), %error, "another artifact lacks what its manifest says");
                continue;
            }
            if write_piece(folder, candidate.piece, &buffer)? == Written::Stored {
                have.insert(candidate.piece);
            }
        }
        donor.close();
    }
    Ok(())
}
