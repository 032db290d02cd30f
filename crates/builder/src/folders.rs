//! The worker's folder on the disk: one folder an attempt, gone when the attempt is.

use crate::Error;
use crate::caches::Caches;
use crate::remove::{REMOVING, remove};
use model::{BuildId, ByteSize, LeaseId};
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

/// The work folder, claimed by this process.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    pub(crate) caches: Caches,
    attempts: PathBuf,
    _claim: fs_err::File,
}

/// One attempt's folder.
#[derive(Debug)]
pub(crate) struct AttemptFolder {
    path: PathBuf,
}

impl WorkFolder {
    /// Claims the folder, and removes what a worker that was killed left in it.
    pub(crate) async fn open(path: PathBuf, caches_max: ByteSize) -> Result<Self, Error> {
        let opened = tokio::task::spawn_blocking(move || Self::open_now(&path, caches_max)).await;
        opened.map_err(|error| Error::WorkFolder(error.into()))?
    }

    fn open_now(path: &Path, caches_max: ByteSize) -> Result<Self, Error> {
        fs_err::create_dir_all(path).map_err(Error::WorkFolder)?;
        let claim = fs_err::File::create(path.join("lock")).map_err(Error::WorkFolder)?;
        match claim.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::WorkFolderInUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::WorkFolder(error)),
        }
        let attempts = path.join("attempts");
        for entry in fs_err::read_dir(path).map_err(Error::WorkFolder)? {
            let entry = entry.map_err(Error::WorkFolder)?;
            // What a removal that was cut short had moved aside.
            if entry.file_name().to_string_lossy().contains(REMOVING) {
                remove(&entry.path()).map_err(Error::WorkFolder)?;
            }
        }
        remove(&attempts).map_err(Error::WorkFolder)?;
        fs_err::create_dir_all(&attempts).map_err(Error::WorkFolder)?;
        let attempts = fs_err::canonicalize(attempts).map_err(Error::WorkFolder)?;
        let caches = Caches::open(path.join("caches"), caches_max).map_err(Error::WorkFolder)?;
        let folder = Self {
            caches,
            attempts,
            _claim: claim,
        };
        Ok(folder)
    }

    /// Makes an attempt's folder. A lease is never given twice, so neither is the name.
    pub(crate) async fn attempt(&self, build: BuildId, lease: LeaseId) -> io::Result<AttemptFolder> {
        let folder = AttemptFolder {
            path: self.attempts.join(format!("{build}-{lease}")),
        };
        fs_err::tokio::create_dir(&folder.path).await?;
        fs_err::tokio::create_dir(folder.source()).await?;
        fs_err::tokio::create_dir(folder.scratch()).await?;
        Ok(folder)
    }
}

impl AttemptFolder {
    /// The checkout.
    pub(crate) fn source(&self) -> PathBuf {
        self.path.join("source")
    }

    /// The target's caches, while this attempt holds them.
    pub(crate) fn caches(&self) -> PathBuf {
        self.path.join("caches")
    }

    /// The sandbox's own files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// Removes it. A failure is logged only: what stays is removed at the worker's next start.
    pub(crate) async fn remove(self) {
        let path = self.path.clone();
        let removed = tokio::task::spawn_blocking(move || remove(&path)).await;
        if let Err(error) = removed.map_err(io::Error::from).flatten() {
            tracing::warn!(folder = %self.path.display(), %error, "an attempt's folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_a_killed_worker_left_is_removed_and_a_second_worker_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("attempts/old/source/locked");
        fs_err::create_dir_all(&left).unwrap();
        fs_err::write(left.join("file"), "x").unwrap();
        fs_err::set_permissions(&left, std::fs::Permissions::from_mode(0o500)).unwrap();
        std::os::unix::fs::symlink("/usr", left.parent().unwrap().join("link")).unwrap();

        let opened = WorkFolder::open_now(folder.path(), ByteSize(0)).unwrap();
        assert_eq!(fs_err::read_dir(&opened.attempts).unwrap().count(), 0);
        assert!(Path::new("/usr/bin").exists());
        let second = WorkFolder::open_now(folder.path(), ByteSize(0));
        assert!(matches!(second, Err(Error::WorkFolderInUse(_))), "{second:?}");
    }
}
