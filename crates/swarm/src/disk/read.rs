//! Reads pieces out of files.

use super::Folder;
use super::files::Access;
use crate::buffers::Buffer;
use artifact::Segment;
use bytes::Bytes;
use std::io;
use std::os::unix::fs::FileExt;
use tokio::sync::mpsc;

/// How much is read at once for the network, in bytes: two blocks, since every read costs a wakeup of the
/// task that sends, and every upload holds three of them.
const CHUNK: u64 = 512 << 10;

/// Reads one piece into a buffer, which is emptied first.
///
/// # Errors
///
/// Whatever the system says; [`io::ErrorKind::UnexpectedEof`] where a file is too short.
pub(crate) fn read_piece(folder: &Folder, piece: u32, buffer: &mut Buffer) -> io::Result<()> {
    let manifest = folder.manifest();
    read_segments(folder, manifest.segments(manifest.piece_range(piece)), buffer)
}

/// Reads segments, one behind the other, into a buffer, which is emptied first. Together they are as long
/// as a piece at most.
///
/// # Errors
///
/// As [`read_piece`].
pub(crate) fn read_segments(
    folder: &Folder,
    segments: impl IntoIterator<Item = Segment>,
    buffer: &mut Buffer,
) -> io::Result<()> {
    buffer.clear();
    for segment in segments {
        let file = folder.open(segment.file, Access::Read)?;
        // A segment lies within a piece, of at most 8 MiB.
        let place = buffer.lengthen(segment.length as usize);
        file.file().read_exact_at(place, segment.offset)?;
        folder
            .shared
            .files
            .read(&folder.name(segment.file), &file, segment.offset, segment.length);
    }
    Ok(())
}

/// Reads one piece chunk by chunk and hands each to whoever sends them, until all are sent or nobody
/// takes them any more.
///
/// # Errors
///
/// As [`read_piece`]. The chunks before it are on their way already.
pub(crate) fn send_piece(folder: &Folder, piece: u32, chunks: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let range = folder.manifest().piece_range(piece);
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + CHUNK);
        let mut chunk = folder.shared.buffers.take((end - start) as usize);
        read_segments(folder, folder.manifest().segments(start..end), &mut chunk)?;
        if chunks.blocking_send(Bytes::from_owner(chunk)).is_err() {
            break;
        }
        start = end;
    }
    Ok(())
}
