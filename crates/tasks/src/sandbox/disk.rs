//! How much a build has written.
//!
//! Quotas of the file system would be exact, and need an administrator on every worker; so the folders are
//! walked from time to time. Between two walks no single file can outgrow the limit (`RLIMIT_FSIZE`), and
//! what a walk can't see (files that were removed and are still open) takes from the file system's free
//! space, which has a floor: see [`free_bytes`].

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat, statvfs};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// How deep folders may lie in each other. Paths end at 4,096 bytes, so nothing that uses paths gets near;
/// a program that goes down step by step would otherwise hide what it writes from everybody who does.
pub(super) const NESTING_MAX: usize = 512;
/// What an entry takes besides its content, so that a million empty files are not nothing.
const ENTRY_BYTES: u64 = 4096;
/// Blocks of `stat` have this size whatever the file system's own have (POSIX, `sys/stat.h`).
const STAT_BLOCK_BYTES: u64 = 512;

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// So many bytes, or more where the walk ended early.
    Bytes(u64),
    /// More than [`NESTING_MAX`] folders in each other.
    TooDeep,
}

/// Adds up what `folders` hold. Ends as soon as it is more than `enough`. Follows no link, and a build
/// that changes its folders meanwhile can only make the sum wrong, never lead it elsewhere: every step is
/// taken from the folder that is open.
pub(super) fn usage(folders: &[PathBuf], enough: u64) -> io::Result<Usage> {
    let mut total = 0_u64;
    for folder in folders {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut open = vec![read(rustix::fs::open(folder, flags, Mode::empty())?)?];
        while let Some(innermost) = open.last_mut() {
            let Some(entry) = innermost.next() else {
                open.pop();
                continue;
            };
            let (stat, below) = match look(innermost, &entry?.file_name().to_owned()) {
                Ok(found) => found,
                // It was removed meanwhile, or the build locked it against itself.
                Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(error) => return Err(error.into()),
            };
            total = total.saturating_add(bytes_of(&stat));
            if total > enough {
                return Ok(Usage::Bytes(total));
            }
            if let Some(below) = below {
                if open.len() >= NESTING_MAX {
                    return Ok(Usage::TooDeep);
                }
                open.push(read(below)?);
            }
        }
    }
    Ok(Usage::Bytes(total))
}

fn read(folder: OwnedFd) -> io::Result<Dir> {
    Ok(Dir::new(folder)?)
}

/// What an entry is, and the entry opened where it is a folder; nothing for `.` and `..`.
fn look(folder: &Dir, name: &CString) -> Result<(Option<Stat>, Option<OwnedFd>), Errno> {
    if matches!(name.as_bytes(), b"." | b"..") {
        return Ok((None, None));
    }
    let folder = folder.fd()?;
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok((Some(stat), None));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let below = openat(folder, name, flags, Mode::empty())?;
    Ok((Some(fstat(&below)?), Some(below)))
}

/// A file with several names counts for each of them with its share.
fn bytes_of(stat: &Option<Stat>) -> u64 {
    let Some(stat) = stat else { return 0 };
    let content = u64::try_from(stat.st_blocks).unwrap_or(0) * STAT_BLOCK_BYTES;
    // As wide as the machine's own word.
    let names: u64 = stat.st_nlink as _;
    ENTRY_BYTES + content / names.max(1)
}

/// How many bytes a folder holds; more than `enough` means at least so many. `None` where its folders lie too
/// deep in each other.
pub fn bytes_in(folder: &Path, enough: u64) -> io::Result<Option<u64>> {
    match usage(&[folder.to_owned()], enough)? {
        Usage::Bytes(bytes) => Ok(Some(bytes)),
        Usage::TooDeep => Ok(None),
    }
}

/// How many bytes the file system of `folder` still takes from us.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
