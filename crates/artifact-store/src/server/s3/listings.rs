//! Pages of parts, uploads and objects in the protocol's words.

use super::{crc64nvme, full_object, length, tag, timestamp};
use crate::server::backend::Backend;
use crate::server::listing::{self, PAGE_MAX};
use crate::server::record::ObjectRecord;
use crate::server::uploads::UploadPlace;
use s3s::S3Result;
use s3s::dto::{
    CommonPrefix, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload, Object, Part,
};
use std::collections::BTreeMap;

fn limit(asked: Option<i32>) -> usize {
    asked.map_or(PAGE_MAX, |asked| {
        usize::try_from(asked).unwrap_or(0).min(PAGE_MAX)
    })
}

impl Backend {
    pub(super) fn parts_page(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let place = UploadPlace::new(input.bucket, input.key, &input.upload_id)?;
        let after = input.part_number_marker.unwrap_or_default();
        let (parts, more) = self.parts(&place, after, limit(input.max_parts))?;
        let last = parts.last().map(|(number, _)| *number);
        let parts = parts.into_iter().map(|(number, part)| Part {
            part_number: Some(number),
            size: length(part.blob.length),
            e_tag: tag(&part.etag),
            checksum_crc64nvme: Some(part.crc64nvme.to_base64()),
            last_modified: timestamp(part.modified_at),
            ..Default::default()
        });
        Ok(ListPartsOutput {
            parts: Some(parts.collect()),
            is_truncated: Some(more),
            next_part_number_marker: last.filter(|_| more),
            checksum_algorithm: crc64nvme(),
            checksum_type: full_object(),
            bucket: Some(place.bucket),
            key: Some(place.key),
            upload_id: Some(input.upload_id),
            ..Default::default()
        })
    }

    pub(super) fn uploads_page(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        // A NUL can't be in an id, so a marker of a key alone comes behind all uploads of that key.
        let after = input.key_marker.map_or(String::new(), |key| {
            format!("{key}\0{}", input.upload_id_marker.as_deref().unwrap_or("~"))
        });
        let (uploads, next) = self.with_bucket(&input.bucket, |bucket| {
            let sorted: BTreeMap<String, MultipartUpload> = bucket
                .uploads
                .iter()
                .map(|(id, upload)| {
                    let shown = MultipartUpload {
                        key: Some(upload.record.key.clone()),
                        upload_id: Some(id.to_string()),
                        initiated: timestamp(upload.record.begun_at),
                        checksum_algorithm: crc64nvme(),
                        checksum_type: full_object(),
                        ..Default::default()
                    };
                    (format!("{}\0{id}", upload.record.key), shown)
                })
                .collect();
            let prefix = input.prefix.as_deref().unwrap_or_default();
            let page = listing::page(&sorted, prefix, None, &after, limit(input.max_uploads));
            let uploads: Vec<_> = page.keys.into_iter().map(|(_, upload)| upload.clone()).collect();
            Ok((uploads, page.next))
        })?;
        let next = next.as_deref().and_then(|next| next.split_once('\0'));
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(next.is_some()),
            next_key_marker: next.map(|(key, _)| key.to_owned()),
            next_upload_id_marker: next.map(|(_, id)| id.to_owned()),
            prefix: input.prefix,
            uploads: Some(uploads),
            ..Default::default()
        })
    }

    pub(super) fn objects_page(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let after = input
            .continuation_token
            .as_deref()
            .or(input.start_after.as_deref());
        let (contents, folders, next) = self.with_bucket(&input.bucket, |bucket| {
            let page = listing::page(
                &bucket.objects,
                input.prefix.as_deref().unwrap_or_default(),
                input.delimiter.as_deref(),
                after.unwrap_or_default(),
                limit(input.max_keys),
            );
            let shown: Vec<Object> = page.keys.into_iter().map(|(_, record)| shown(record)).collect();
            Ok((shown, page.folders, page.next))
        })?;
        let folders = folders
            .into_iter()
            .map(|prefix| CommonPrefix { prefix: Some(prefix) });
        let folders: Vec<_> = folders.collect();
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            key_count: i32::try_from(contents.len() + folders.len()).ok(),
            max_keys: input.max_keys,
            is_truncated: Some(next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(folders),
            ..Default::default()
        })
    }
}

fn shown(record: &ObjectRecord) -> Object {
    Object {
        key: Some(record.key.clone()),
        size: length(record.length),
        e_tag: tag(&record.etag),
        last_modified: timestamp(record.modified_at),
        checksum_algorithm: crc64nvme().map(|algorithm| vec![algorithm]),
        checksum_type: full_object(),
        ..Default::default()
    }
}
