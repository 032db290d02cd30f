//! Makes room: every folder, and every file at its full length.

use super::{Folder, options};
use crate::Error;
use fs_err as fs;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// What was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// No file with content: there is nothing to verify.
    Nothing,
    /// Some file of the artifact; perhaps some of its bytes are right.
    Something,
}

/// Makes every file that lacks, and brings every file to its length. Files that have their length
/// are not opened for writing, so a program that runs from the folder stays as it is.
///
/// # Errors
///
/// [`Error::DiskFull`] if the files do not fit, and [`Error::Disk`] for anything else that is in the
/// way. [`Error::Forgotten`] if it was cancelled.
pub(crate) fn lay_out(folder: &Folder, cancel: &CancellationToken) -> Result<Before, Error> {
    fs::create_dir_all(folder.root()).map_err(|error| folder.failed(folder.root(), error))?;
    let lacking = lacking_bytes(folder);
    if lacking > available_bytes(folder.root()).map_err(|error| folder.failed(folder.root(), error))? {
        return Err(Error::DiskFull {
            folder: folder.root().to_owned(),
        });
    }
    let mut before = Before::Nothing;
    for (index, entry) in folder.manifest().files().iter().enumerate() {
        if cancel.is_cancelled() {
            return Err(Error::Forgotten);
        }
        let path = folder.path(index);
        let found = make(&path, entry.length).map_err(|error| folder.failed(&path, error))?;
        if found == Before::Something && entry.length > 0 {
            before = Before::Something;
        }
    }
    Ok(before)
}

/// Bytes that the files still need on the disk. Asked first, since some file systems fill themselves to
/// the brim before they say that there is no room.
fn lacking_bytes(folder: &Folder) -> u64 {
    let files = folder.manifest().files().iter().enumerate();
    let lacking = files.map(|(index, entry)| {
        // A block is 512 bytes here, whatever the file system's own are.
        let taken = fs::symlink_metadata(folder.path(index)).map_or(0, |found| found.blocks() * 512);
        entry.length.saturating_sub(taken)
    });
    lacking.sum()
}

fn available_bytes(root: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(root)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

fn make(path: &Path, length: u64) -> io::Result<Before> {
    let before = match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something else than a file is there",
            ));
        }
        Ok(found) if found.len() == length => return Ok(Before::Something),
        Ok(_) => Before::Something,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            Before::Nothing
        }
        Err(error) => return Err(error),
    };
    let file = options().write(true).create(true).truncate(false).open(path)?;
    file.set_len(length)?;
    if length > 0 {
        allocate(&file, length)?;
    }
    Ok(before)
}

/// Takes the blocks now. Where a file system cannot, a full disk is noticed later, by a write.
fn allocate(file: &fs::File, length: u64) -> io::Result<()> {
    match fallocate(file.file(), FallocateFlags::empty(), 0, length) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
