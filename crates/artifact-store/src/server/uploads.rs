//! Multipart uploads.

use super::backend::{Backend, Bucket, Upload, internal};
use super::folder::{UPLOAD_RECORD, sync_parent};
use super::objects::Precondition;
use super::receive::Draft;
use super::record::{Attributes, Blob, ObjectRecord, PartRecord, UploadRecord};
use crate::Crc64;
use fs_err as fs;
use jiff::Timestamp;
use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};
use std::sync::Arc;
use uuid::Uuid;

/// Part numbers are 1 to this (S3's own limit).
const PART_NUMBER_MAX: i32 = 10_000;
/// Every part but the last has at least so many bytes (S3's own limit).
const PART_LENGTH_MIN: u64 = 5 << 20;

/// Which upload a request means. An id that was another key's is no upload.
#[derive(Debug, Clone)]
pub(super) struct UploadPlace {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) id: Uuid,
}

impl UploadPlace {
    pub(super) fn new(bucket: String, key: String, id: &str) -> S3Result<Self> {
        let id = id.parse().map_err(|_| s3_error!(NoSuchUpload))?;
        Ok(Self { bucket, key, id })
    }

    fn find<'a>(&self, bucket: &'a mut Bucket) -> S3Result<&'a mut Upload> {
        let upload = bucket.uploads.get_mut(&self.id);
        upload
            .filter(|upload| upload.record.key == self.key)
            .ok_or_else(|| s3_error!(NoSuchUpload))
    }
}

impl Backend {
    /// Begins an upload. Blocks.
    pub(super) fn create_upload(&self, bucket: &str, key: String, attributes: Attributes) -> S3Result<Uuid> {
        let id = Uuid::now_v7();
        let record = UploadRecord {
            key,
            begun_at: Timestamp::now(),
            attributes,
        };
        let _turn = self.commit();
        self.with_bucket(bucket, |_| Ok(()))?;
        let folder = self.bucket_folder(bucket).upload(id);
        fs::create_dir(&folder).map_err(internal)?;
        self.folder()
            .write_record(&folder.join(UPLOAD_RECORD), &record)
            .map_err(internal)?;
        sync_parent(&folder).map_err(internal)?;
        let parts = Default::default();
        self.with_bucket(bucket, |bucket| {
            Ok(bucket.uploads.insert(id, Upload { record, parts }))
        })?;
        Ok(id)
    }

    /// Whether a part may be sent at all; asked before its bytes are taken.
    pub(super) fn check_part(&self, place: &UploadPlace, number: i32) -> S3Result<()> {
        if !(1..=PART_NUMBER_MAX).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "a part number is 1 to {PART_NUMBER_MAX}"
            ));
        }
        self.with_bucket(&place.bucket, |bucket| place.find(bucket).map(|_| ()))
    }

    /// Makes a blob a part of an upload, replacing an earlier one of that number. Blocks.
    pub(super) fn put_part(&self, place: &UploadPlace, number: i32, draft: Draft) -> S3Result<PartRecord> {
        let record = draft.record;
        let _turn = self.commit();
        // It may have been aborted or completed while the bytes arrived.
        self.check_part(place, number)?;
        let path = self.bucket_folder(&place.bucket).part(place.id, number);
        self.folder().write_record(&path, &record).map_err(internal)?;
        draft.file.keep();
        let replaced = self.with_bucket(&place.bucket, |bucket| {
            Ok(place.find(bucket)?.parts.insert(number, record.clone()))
        })?;
        self.remove_blobs(&place.bucket, replaced.map(|part| part.blob));
        Ok(record)
    }

    /// The parts of an upload behind a number, in order, at most `limit`, and whether there are more.
    pub(super) fn parts(
        &self,
        place: &UploadPlace,
        after: i32,
        limit: usize,
    ) -> S3Result<(Vec<(i32, PartRecord)>, bool)> {
        self.with_bucket(&place.bucket, |bucket| {
            let mut behind = place.find(bucket)?.parts.range(after.saturating_add(1)..);
            let page = behind.by_ref().take(limit);
            let page = page.map(|(number, part)| (*number, part.clone())).collect();
            Ok((page, behind.next().is_some()))
        })
    }

    /// Makes the named parts one object: one record, whatever the size. Blocks.
    pub(super) fn complete(
        &self,
        place: &UploadPlace,
        named: &[CompletedPart],
        asserted: Option<Crc64>,
        precondition: Precondition,
    ) -> S3Result<Arc<ObjectRecord>> {
        let _turn = self.commit();
        let (attributes, chosen, all) = self.with_bucket(&place.bucket, |bucket| {
            let upload = place.find(bucket)?;
            let all: Vec<Blob> = upload.parts.values().map(|part| part.blob).collect();
            Ok((upload.record.attributes.clone(), choose(upload, named)?, all))
        })?;
        let whole = chosen.iter().fold(Crc64::empty(), |crc, part| {
            crc.followed_by(part.crc64nvme, part.blob.length)
        });
        if asserted.is_some_and(|asserted| asserted != whole) {
            return Err(s3_error!(
                BadDigest,
                "the checksum does not match that of the parts"
            ));
        }
        let blobs: Vec<Blob> = chosen.iter().map(|part| part.blob).collect();
        let record = ObjectRecord {
            key: place.key.clone(),
            length: blobs.iter().map(|blob| blob.length).sum(),
            etag: format!("{}-{}", Uuid::now_v7().simple(), blobs.len()),
            crc64nvme: whole,
            modified_at: Timestamp::now(),
            attributes,
            blobs,
            upload_id: Some(place.id),
        };
        let record = self.write_object(&place.bucket, record, precondition)?;
        let unused = all.into_iter().filter(|blob| !record.blobs.contains(blob));
        self.forget_upload(place, unused)?;
        Ok(record)
    }

    /// Ends an upload and removes its parts. Blocks.
    pub(super) fn abort(&self, place: &UploadPlace) -> S3Result<()> {
        let _turn = self.commit();
        let blobs: Vec<Blob> = self.with_bucket(&place.bucket, |bucket| {
            Ok(place.find(bucket)?.parts.values().map(|part| part.blob).collect())
        })?;
        self.forget_upload(place, blobs)
    }

    fn forget_upload(&self, place: &UploadPlace, blobs: impl IntoIterator<Item = Blob>) -> S3Result<()> {
        self.with_bucket(&place.bucket, |bucket| Ok(bucket.uploads.remove(&place.id)))?;
        let folder = self.bucket_folder(&place.bucket).upload(place.id);
        // The upload's own record goes first: a folder without it is removed at the next start.
        fs::remove_file(folder.join(UPLOAD_RECORD)).map_err(internal)?;
        fs::remove_dir_all(&folder).map_err(internal)?;
        sync_parent(&folder).map_err(internal)?;
        self.remove_blobs(&place.bucket, blobs);
        Ok(())
    }
}

/// The parts that Complete names: in order, all there, none changed since, none but the last too short.
fn choose(upload: &Upload, named: &[CompletedPart]) -> S3Result<Vec<PartRecord>> {
    let mut chosen: Vec<PartRecord> = Vec::with_capacity(named.len().min(upload.parts.len()));
    let mut previous = 0;
    for completed in named {
        let number = completed.part_number.unwrap_or_default();
        if number <= previous {
            return Err(s3_error!(InvalidPartOrder));
        }
        previous = number;
        let part = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
        let same_tag = completed
            .e_tag
            .as_ref()
            .is_some_and(|tag| tag.value() == part.etag);
        let crc64nvme = completed.checksum_crc64nvme.as_deref();
        if !same_tag || crc64nvme.is_some_and(|crc| Crc64::from_base64(crc) != Some(part.crc64nvme)) {
            return Err(s3_error!(InvalidPart));
        }
        if chosen
            .last()
            .is_some_and(|part| part.blob.length < PART_LENGTH_MIN)
        {
            return Err(s3_error!(EntityTooSmall));
        }
        chosen.push(part.clone());
    }
    if chosen.is_empty() {
        return Err(s3_error!(MalformedXML, "an upload has at least one part"));
    }
    Ok(chosen)
}
