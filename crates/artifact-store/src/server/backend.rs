//! The state of the server: what is on the disk, mirrored in memory.

use super::folder::{BucketFolder, Folder, is_bucket_name, remove_file};
use super::record::{Blob, ObjectRecord, PartRecord, UploadRecord};
use super::{Error, recovery};
use crate::store::STORAGE_FULL;
use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Everything in one bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Arc<ObjectRecord>>,
    pub(super) uploads: BTreeMap<Uuid, Upload>,
}

/// An unfinished upload.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) record: UploadRecord,
    pub(super) parts: BTreeMap<i32, PartRecord>,
}

/// The server's backend. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Backend(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    /// Held while a record is written and the memory follows it, so that both see changes in one order.
    commits: Mutex<()>,
    /// Held for moments only, never while the disk is waited for.
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Backend {
    /// Reads what is there, and removes what no record names. Blocks.
    pub(super) fn open(root: PathBuf) -> Result<Self, Error> {
        let folder = Folder::open(root)?;
        let buckets = recovery::recover(&folder)?;
        Ok(Self(Arc::new(Inner {
            folder,
            commits: Mutex::new(()),
            buckets: Mutex::new(buckets),
        })))
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.0.folder
    }

    pub(super) fn bucket_folder(&self, bucket: &str) -> BucketFolder {
        self.0.folder.bucket(bucket)
    }

    /// Waits for its turn to change something. Blocks.
    pub(super) fn commit(&self) -> MutexGuard<'_, ()> {
        // A commit that panicked left at most files that no record names.
        self.0.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        // Nothing that holds this lock can panic in the middle of a change.
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at or changes a bucket in memory; quick.
    pub(super) fn with_bucket<T>(
        &self,
        bucket: &str,
        work: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        let mut buckets = self.buckets();
        work(buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?)
    }

    /// Makes a bucket. Blocks.
    pub(super) fn create_bucket(&self, bucket: &str) -> S3Result<()> {
        if !is_bucket_name(bucket) {
            return Err(s3_error!(InvalidBucketName));
        }
        let _turn = self.commit();
        if self.buckets().contains_key(bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        self.bucket_folder(bucket).create().map_err(internal)?;
        self.buckets().insert(bucket.to_owned(), Bucket::default());
        Ok(())
    }

    /// Removes blobs that no record names any more. Blocks.
    pub(super) fn remove_blobs(&self, bucket: &str, blobs: impl IntoIterator<Item = Blob>) {
        let folder = self.bucket_folder(bucket);
        for blob in blobs {
            remove_file(&folder.blob(blob.file));
        }
    }
}

/// Runs something that waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(s3_error!(error, InternalError)))
}

/// The answer to a failure of the disk; the client may try again. A full one is told by name, since S3 has no code for
/// it and somebody must do something about it.
pub(super) fn internal(error: std::io::Error) -> S3Error {
    tracing::error!(%error, "the store's disk failed");
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        let code = S3ErrorCode::Custom(STORAGE_FULL.into());
        let mut full = S3Error::with_message(code, "the store's disk is full");
        full.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
        return full;
    }
    s3_error!(error, InternalError)
}
