//! Objects: making one of blobs, finding and deleting one.

use super::backend::{Backend, internal};
use super::folder::remove_file;
use super::receive::Draft;
use super::record::{Attributes, ObjectRecord};
use fs_err as fs;
use s3s::{S3Result, s3_error};
use std::sync::Arc;

/// What must hold for an object to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precondition {
    None,
    /// `If-None-Match: *`
    Absent,
}

impl Backend {
    /// Makes an object of one blob. Blocks.
    pub(super) fn put(
        &self,
        bucket: &str,
        key: String,
        draft: Draft,
        attributes: Attributes,
        precondition: Precondition,
    ) -> S3Result<Arc<ObjectRecord>> {
        let part = draft.record;
        let record = ObjectRecord {
            key,
            length: part.blob.length,
            etag: part.etag,
            crc64nvme: part.crc64nvme,
            modified_at: part.modified_at,
            attributes,
            blobs: vec![part.blob],
            upload_id: None,
        };
        let _turn = self.commit();
        let record = self.write_object(bucket, record, precondition)?;
        draft.file.keep();
        Ok(record)
    }

    /// Writes an object's record, first on the disk and then in memory, and removes the blobs of the one
    /// that it replaces. The caller holds the turn to commit. Blocks.
    pub(super) fn write_object(
        &self,
        bucket: &str,
        record: ObjectRecord,
        precondition: Precondition,
    ) -> S3Result<Arc<ObjectRecord>> {
        let exists = self.with_bucket(bucket, |bucket| Ok(bucket.objects.contains_key(&record.key)))?;
        if exists && precondition == Precondition::Absent {
            return Err(s3_error!(PreconditionFailed));
        }
        let path = self.bucket_folder(bucket).object(&record.key);
        self.folder().write_record(&path, &record).map_err(internal)?;
        let record = Arc::new(record);
        let replaced = self.with_bucket(bucket, |bucket| {
            Ok(bucket.objects.insert(record.key.clone(), record.clone()))
        })?;
        if let Some(replaced) = replaced {
            self.remove_blobs(bucket, replaced.blobs.iter().copied());
        }
        Ok(record)
    }

    /// An object all of whose bytes are there. One that lost a blob is reported and counts as absent, so
    /// that whoever compares replicas copies it again. Blocks.
    pub(super) fn find(&self, bucket: &str, key: &str) -> S3Result<Arc<ObjectRecord>> {
        let found = self.with_bucket(bucket, |bucket| Ok(bucket.objects.get(key).cloned()))?;
        let record = found.ok_or_else(|| s3_error!(NoSuchKey))?;
        let place = self.bucket_folder(bucket);
        for blob in &record.blobs {
            let length = fs::metadata(place.blob(blob.file)).map(|metadata| metadata.len());
            if length.as_ref().ok() != Some(&blob.length) {
                tracing::error!(s3.bucket = bucket, s3.key = key, file = %blob.file, ?length, "an object lost bytes");
                return Err(s3_error!(NoSuchKey));
            }
        }
        Ok(record)
    }

    /// Deletes an object; one that isn't there is fine. Blocks.
    pub(super) fn delete(&self, bucket: &str, key: &str) -> S3Result<()> {
        let _turn = self.commit();
        let Some(record) = self.with_bucket(bucket, |bucket| Ok(bucket.objects.remove(key)))? else {
            return Ok(());
        };
        let path = self.bucket_folder(bucket).object(key);
        remove_file(&path);
        super::folder::sync_parent(&path).map_err(internal)?;
        self.remove_blobs(bucket, record.blobs.iter().copied());
        Ok(())
    }
}
