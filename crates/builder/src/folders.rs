//! The worker's folder on the disk: one folder an attempt, gone when the attempt is.

use crate::Error;
use model::{BuildId, LeaseId};
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The work folder, claimed by this process.
#[derive(Debug)]
pub(crate) struct WorkFolder {
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
    pub(crate) async fn open(path: PathBuf) -> Result<Self, Error> {
        let opened = tokio::task::spawn_blocking(move || Self::open_now(&path)).await;
        opened.map_err(|error| Error::WorkFolder(error.into()))?
    }

    fn open_now(path: &Path) -> Result<Self, Error> {
        fs_err::create_dir_all(path).map_err(Error::WorkFolder)?;
        let claim = fs_err::File::create(path.join("lock")).map_err(Error::WorkFolder)?;
        match claim.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::WorkFolderInUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::WorkFolder(error)),
        }
        let attempts = path.join("attempts");
        remove(&attempts).map_err(Error::WorkFolder)?;
        fs_err::create_dir_all(&attempts).map_err(Error::WorkFolder)?;
        let attempts = fs_err::canonicalize(attempts).map_err(Error::WorkFolder)?;
        let folder = Self {
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

/// Removes a folder and everything in it, also where a build took the right to do so from its folders
/// (as Go does with its module cache). Links are removed, never followed.
fn remove(path: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            unlock(path)?;
            fs_err::remove_dir_all(path)
        }
        other => other,
    }
}

fn unlock(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_worker_left_is_removed_and_a_second_worker_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("attempts/old/source/locked");
        fs_err::create_dir_all(&left).unwrap();
        fs_err::write(left.join("file"), "x").unwrap();
        fs_err::set_permissions(&left, std::fs::Permissions::from_mode(0o500)).unwrap();
        std::os::unix::fs::symlink("/usr", left.parent().unwrap().join("link")).unwrap();

        let opened = WorkFolder::open_now(folder.path()).unwrap();
        assert_eq!(fs_err::read_dir(&opened.attempts).unwrap().count(), 0);
        assert!(Path::new("/usr/bin").exists());
        let second = WorkFolder::open_now(folder.path());
        assert!(matches!(second, Err(Error::WorkFolderInUse(_))), "{second:?}");
    }
}
