//! Artifacts on a disk.
//!
//! Everything here blocks, and is called from blocking threads only. Files are laid out at their full
//! length first ([`layout`]), so that a disk that is too small is noticed before a byte is fetched.
//! Pieces are written to their place once they are verified ([`write`]), and whatever a folder holds is
//! believed only after it was read and hashed again ([`verify`]).
//!
//! When data reaches the disk: not while pieces come, since a crash then costs only the pieces that
//! hash wrong afterwards; once, for every file and folder, before an artifact is reported as fetched.
//! What another artifact on the disk has at the same place is taken from there ([`reuse`]). Which files
//! are open, and how much of them the system keeps in memory, [`files`] decides.

pub(crate) mod files;
pub(crate) mod layout;
pub(crate) mod read;
pub(crate) mod reuse;
pub(crate) mod verify;
pub(crate) mod write;

use crate::Error;
use crate::buffers::{Buffer, Buffers};
use artifact::VerifiedManifest;
use files::{Access, Files, Name};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What all folders of a node share. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resources {
    pub(crate) files: Files,
    pub(crate) buffers: Buffers,
}

/// An artifact's place on a disk. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: Arc<Path>,
    manifest: VerifiedManifest,
    shared: Resources,
}

impl Folder {
    pub(crate) fn new(root: PathBuf, manifest: VerifiedManifest, shared: Resources) -> Self {
        Self {
            root: root.into(),
            manifest,
            shared,
        }
    }

    /// Lets go of its files. Whoever uses the folder again only opens them anew.
    pub(crate) fn close(&self) {
        self.shared.files.close(&self.root);
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn manifest(&self) -> &VerifiedManifest {
        &self.manifest
    }

    /// An empty buffer for any of its pieces.
    fn piece_buffer(&self) -> Buffer {
        // None is longer than the first.
        let range = self.manifest.piece_range(0);
        self.shared.buffers.take((range.end - range.start) as usize)
    }

    /// Where a file of the manifest lies.
    fn path(&self, file: usize) -> PathBuf {
        self.root.join(self.manifest.files()[file].path.as_str())
    }

    fn name(&self, file: usize) -> Name {
        Name {
            root: self.root.clone(),
            file,
        }
    }

    fn open(&self, file: usize, access: Access) -> io::Result<Arc<fs::File>> {
        self.shared.files.open(&self.name(file), &self.path(file), access)
    }

    fn failed(&self, path: &Path, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull {
                folder: self.root.to_path_buf(),
            },
            _ => Error::Disk {
                path: path.to_owned(),
                source: Arc::new(error),
            },
        }
    }
}

/// Never follows a link in the last place of a path: nothing that we write makes one.
fn options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}
