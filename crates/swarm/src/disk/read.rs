//! Reads pieces out of files.

use super::{Folder, options};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use tokio::sync::mpsc;

/// How much is read at once for the network, in bytes: four blocks, since every read costs a wakeup of the
/// task that sends.
const CHUNK: u64 = 1 << 20;

/// Reads one piece into a buffer, which is emptied first.
///
/// # Errors
///
/// Whatever the system says; [`io::ErrorKind::UnexpectedEof`] where a file is too short.
pub(crate) fn read_piece(folder: &Folder, piece: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    read_range(folder, folder.manifest().piece_range(piece), buffer)
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
        let mut chunk = Vec::new();
        read_range(folder, start..end, &mut chunk)?;
        if chunks.blocking_send(chunk.into()).is_err() {
            break;
        }
        start = end;
    }
    Ok(())
}

fn read_range(folder: &Folder, range: Range<u64>, buffer: &mut Vec<u8>) -> io::Result<()> {
    for segment in folder.manifest().segments(range) {
        let file = options().read(true).open(folder.path(segment.file))?;
        let start = buffer.len();
        // A segment lies within a piece, of at most 8 MiB.
        buffer.resize(start + segment.length as usize, 0);
        file.file().read_exact_at(&mut buffer[start..], segment.offset)?;
    }
    Ok(())
}
