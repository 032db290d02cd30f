//! Where a bench writes.

use anyhow::{Context as _, ensure};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use tempfile::TempDir;

/// How the folders of all benches begin.
const PREFIX: &str = "starling-bench-";
/// Held as long as the bench lives, and let go by the system however that ends.
const LOCK: &str = "lock";
/// What the system itself needs left, in bytes.
const RESERVE: u64 = 2_000_000_000;

/// A folder that is deleted when it is dropped; if the bench is killed, when the next one begins.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one where temporary files go (`TMPDIR`), with room for so many bytes.
    ///
    /// # Errors
    /// When there is no room, or the disk fails.
    pub fn new(bytes: u64) -> anyhow::Result<Self> {
        Self::below(&std::env::temp_dir(), bytes)
    }

    /// The same below another folder.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn below(parent: &Path, bytes: u64) -> anyhow::Result<Self> {
        sweep(parent)?;
        let found = rustix::fs::statvfs(parent).context("failed to look at the disk")?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let needed = bytes.saturating_add(RESERVE);
        ensure!(
            free >= needed,
            "the disk of {} has {:.1} GB free and {:.1} GB are needed: point TMPDIR to a larger one, or use --quick",
            parent.display(),
            free as f64 / crate::GB,
            needed as f64 / crate::GB
        );
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = File::create(folder.path().join(LOCK))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder, _lock: lock }),
                // Another bench took it for a leftover before it was locked.
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Deletes what benches left that were killed.
fn sweep(parent: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let Some(lock) = ours.then(|| File::open(entry.path().join(LOCK)).ok()).flatten() else {
            continue;
        };
        if lock.try_lock().is_ok() {
            eprintln!(
                "  {} was left by a bench that was killed, and is deleted",
                entry.path().display()
            );
            // Another bench may be at it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Writes out what earlier steps left in memory, so that nobody pays for it later.
pub fn settle() {
    rustix::fs::sync();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_outlives_neither_its_bench_nor_the_next_after_a_kill() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::below(parent.path(), 0).unwrap();
        let killed = parent.path().join(format!("{PREFIX}killed"));
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();

        let next = Scratch::below(parent.path(), 0).unwrap();
        assert!(living.path().exists() && next.path().exists());
        assert!(!killed.exists());
        drop((living, next));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_disk_has_no_room_for_is_not_begun() {
        let refused = Scratch::below(&std::env::temp_dir(), u64::MAX).unwrap_err();
        assert!(refused.to_string().contains("are needed"), "{refused}");
    }
}
