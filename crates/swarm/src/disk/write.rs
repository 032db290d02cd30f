//! Writes pieces to their place, and seals a whole artifact.

use super::files::Access;
use super::{Folder, options};
use crate::Error;
use artifact::Segment;
use fs_err as fs;
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whether bytes were what the manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// They were, and are in place.
    Stored,
    /// They were not, and the disk is as before.
    Rejected,
}

/// Writes one piece to its place if it is that piece.
///
/// # Errors
///
/// [`Error::DiskFull`] or [`Error::Disk`].
pub(crate) fn write_piece(folder: &Folder, piece: u32, bytes: &[u8]) -> Result<Written, Error> {
    let manifest = folder.manifest();
    if !manifest.verify_piece(piece, bytes) {
        return Ok(Written::Rejected);
    }
    let mut rest = bytes;
    for segment in manifest.segments(manifest.piece_range(piece)) {
        // The piece was verified, so the segments are as long as it is.
        let (now, later) = rest.split_at(segment.length as usize);
        write_segment(folder, segment, now)
            .map_err(|error| folder.failed(&folder.path(segment.file), error))?;
        rest = later;
    }
    Ok(Written::Stored)
}

fn write_segment(folder: &Folder, segment: Segment, bytes: &[u8]) -> io::Result<()> {
    let file = folder.open(segment.file, Access::Write)?;
    file.file().write_all_at(bytes, segment.offset)?;
    folder
        .shared
        .files
        .written(&folder.name(segment.file), &file, segment.offset, segment.length);
    Ok(())
}

/// Makes executable files executable (0755) and others not (0644), and flushes every file and every
/// folder to the disk.
///
/// # Errors
///
/// [`Error::DiskFull`] or [`Error::Disk`].
pub(crate) fn seal(folder: &Folder) -> Result<(), Error> {
    folder.shared.files.close_writers(&folder.root);
    let mut folders = BTreeSet::from([folder.root().to_owned()]);
    for (index, entry) in folder.manifest().files().iter().enumerate() {
        let path = folder.path(index);
        let mode = if entry.executable { 0o755 } else { 0o644 };
        seal_file(&path, mode).map_err(|error| folder.failed(&path, error))?;
        let parents = path
            .ancestors()
            .skip(1)
            .take_while(|parent| *parent != folder.root());
        folders.extend(parents.map(Path::to_owned));
    }
    // Names are as good as lost until the folder that holds them is flushed.
    folders.extend(folder.root().parent().map(PathBuf::from));
    for path in folders.iter().filter(|path| !path.as_os_str().is_empty()) {
        fs::File::open(path)
            .and_then(|opened| opened.sync_all())
            .map_err(|error| folder.failed(path, error))?;
    }
    Ok(())
}

fn seal_file(path: &Path, mode: u32) -> io::Result<()> {
    let file = options().read(true).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != mode {
        file.file().set_permissions(Permissions::from_mode(mode))?;
    }
    file.sync_all()
}
