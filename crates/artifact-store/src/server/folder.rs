//! Where things lie on the disk, and writing records so that they survive.
//!
//! ```text
//! temporary/                                records that are being written
//! buckets/NAME/data/UUID                    blobs
//! buckets/NAME/objects/HASH-OF-KEY.json     one record an object
//! buckets/NAME/uploads/UUID/upload.json     one folder an unfinished upload,
//! buckets/NAME/uploads/UUID/NUMBER.json     one record a part
//! ```

use fs_err as fs;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

pub(super) const UPLOAD_RECORD: &str = "upload.json";

/// The root of everything.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        let folder = Self { root };
        fs::create_dir_all(folder.buckets())?;
        fs::create_dir_all(folder.temporary())?;
        Ok(folder)
    }

    pub(super) fn buckets(&self) -> PathBuf {
        self.root.join("buckets")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    /// `bucket` must have passed [`is_bucket_name`].
    pub(super) fn bucket(&self, bucket: &str) -> BucketFolder {
        BucketFolder(self.buckets().join(bucket))
    }

    /// Writes a record to its place: after this it is there as a whole, before it is not there.
    pub(super) fn write_record(&self, path: &Path, record: &impl Serialize) -> io::Result<()> {
        let temporary = self.temporary().join(Uuid::now_v7().to_string());
        let mut file = fs::File::create_new(&temporary)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    }
}

/// One bucket's folder.
#[derive(Debug, Clone)]
pub(super) struct BucketFolder(pub(super) PathBuf);

impl BucketFolder {
    pub(super) fn create(&self) -> io::Result<()> {
        for folder in [self.data(), self.objects(), self.uploads()] {
            fs::create_dir_all(&folder)?;
        }
        sync_parent(&self.data())?;
        sync_parent(&self.0)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub(super) fn blob(&self, file: Uuid) -> PathBuf {
        self.data().join(file.to_string())
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// A key may hold anything, so its hash is the file's name.
    pub(super) fn object(&self, key: &str) -> PathBuf {
        self.objects()
            .join(format!("{}.json", blake3::hash(key.as_bytes())))
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }

    pub(super) fn upload(&self, upload: Uuid) -> PathBuf {
        self.uploads().join(upload.to_string())
    }

    pub(super) fn part(&self, upload: Uuid, number: i32) -> PathBuf {
        self.upload(upload).join(format!("{number}.json"))
    }
}

/// Whether a bucket's name is one that S3 knows, and so a safe name of a folder.
pub(super) fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(plain)
        && ends(bytes.first())
        && ends(bytes.last())
        && !name.contains("..")
}

/// Makes a name in a folder durable; a file's own sync doesn't.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "failed to remove a file; the next start tries again");
    }
}
