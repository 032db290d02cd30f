//! The verbs of a multipart upload, each of its own: who creates and completes an upload need not be who
//! sends its parts.

use super::{ContentKey, Crc64, Error, Store};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The most parts of an upload, S3's own limit; also what a listing stops at.
const PARTS_MAX: usize = 10_000;

/// An upload that was begun and neither completed nor aborted. It outlives processes: the store keeps
/// the parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadTicket {
    /// Where the content will lie.
    pub key: ContentKey,
    /// The store's name for the upload.
    pub upload_id: String,
}

/// A part that the store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Counted from 1.
    pub number: i32,
    /// Its length in bytes.
    pub length: u64,
    /// The store's name for the part's content.
    pub etag: String,
    /// Its checksum, where the store tells it.
    pub crc64nvme: Option<Crc64>,
}

/// What becomes of an object that is already at an upload's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the upload fails: a place that is written once.
    Stays,
    /// The new content takes its place.
    IsReplaced,
}

impl Store {
    /// Begins an upload.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn create_upload(&self, key: &ContentKey) -> Result<UploadTicket, Error> {
        let object = key.object();
        let created = self
            .client
            .create_multipart_upload()
            .bucket(&self.config.bucket)
            .key(&object)
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await
            .map_err(|error| self.failed("begin the upload of", key, error))?;
        Ok(UploadTicket {
            key: key.clone(),
            upload_id: created.upload_id.unwrap_or_default(),
        })
    }

    /// Sends one part, once; sending it again replaces it. All parts but the last have [`super::PART_LENGTH`].
    ///
    /// # Errors
    /// Fails when the store does, among others because the bytes it got don't match the checksum.
    pub async fn put_part(
        &self,
        ticket: &UploadTicket,
        number: i32,
        bytes: Bytes,
        crc64nvme: Crc64,
    ) -> Result<Part, Error> {
        let length = bytes.len() as u64;
        let request = self
            .client
            .upload_part()
            .bucket(&self.config.bucket)
            .key(ticket.key.object())
            .upload_id(&ticket.upload_id)
            .part_number(number)
            .checksum_crc64_nvme(crc64nvme.to_base64())
            .body(ByteStream::from(bytes));
        // The checksum already covers the bytes; signing them as well would cost half a second a GB. Whoever sends
        // parts must see each refusal, so the client doesn't try again by itself.
        let once = aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled());
        let request = request
            .customize()
            .disable_payload_signing()
            .config_override(once);
        let sent = request.send().await;
        let sent = sent.map_err(|error| self.failed("send a part of", &ticket.key, error))?;
        Ok(Part {
            number,
            length,
            etag: sent.e_tag.unwrap_or_default(),
            crc64nvme: Some(crc64nvme),
        })
    }

    /// Has the server copy a range of another object as one part.
    pub(super) async fn copy_part(
        &self,
        ticket: &UploadTicket,
        number: i32,
        source: (&Self, &str),
        range: Range<u64>,
    ) -> Result<Part, Error> {
        let (store, key) = source;
        let copied = self
            .client
            .upload_part_copy()
            .bucket(&self.config.bucket)
            .key(ticket.key.object())
            .upload_id(&ticket.upload_id)
            .part_number(number)
            .copy_source(format!("{}/{key}", store.config.bucket))
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .send()
            .await
            .map_err(|error| self.failed("copy a part of", &ticket.key, error))?;
        let result = copied.copy_part_result.as_ref();
        Ok(Part {
            number,
            length: range.end - range.start,
            etag: result
                .and_then(|result| result.e_tag())
                .unwrap_or_default()
                .to_owned(),
            crc64nvme: result
                .and_then(|result| result.checksum_crc64_nvme())
                .and_then(Crc64::from_base64),
        })
    }

    /// The parts that the store has of an upload, in order.
    ///
    /// # Errors
    /// Fails when the store does, or no longer knows the upload.
    pub async fn parts(&self, ticket: &UploadTicket) -> Result<Vec<Part>, Error> {
        let mut pages = self
            .client
            .list_parts()
            .bucket(&self.config.bucket)
            .key(ticket.key.object())
            .upload_id(&ticket.upload_id)
            .into_paginator()
            .send();
        let mut parts = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed("list the parts of", &ticket.key, error))?;
            parts.extend(page.parts().iter().map(|part| Part {
                number: part.part_number().unwrap_or_default(),
                length: part.size().unwrap_or_default().try_into().unwrap_or_default(),
                etag: part.e_tag().unwrap_or_default().to_owned(),
                crc64nvme: part.checksum_crc64_nvme().and_then(Crc64::from_base64),
            }));
            if parts.len() >= PARTS_MAX {
                break;
            }
        }
        Ok(parts)
    }

    /// Makes the parts, in order, one object. Completing what is already completed is fine. Where there is an object
    /// already, it is replaced only if `existing` says so, as far as the store knows conditional requests.
    ///
    /// # Errors
    /// Fails when the store does, among others because the whole doesn't match the checksum.
    pub async fn complete_upload(
        &self,
        ticket: &UploadTicket,
        parts: &[Part],
        crc64nvme: Crc64,
        existing: Existing,
    ) -> Result<(), Error> {
        let completed = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .set_checksum_crc64_nvme(part.crc64nvme.map(Crc64::to_base64))
                .build()
        });
        let list = CompletedMultipartUpload::builder()
            .set_parts(Some(completed.collect()))
            .build();
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&self.config.bucket)
            .key(ticket.key.object())
            .upload_id(&ticket.upload_id)
            .checksum_crc64_nvme(crc64nvme.to_base64())
            .checksum_type(ChecksumType::FullObject)
            .set_if_none_match((existing == Existing::Stays).then(|| "*".to_owned()))
            .multipart_upload(list)
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        let error = self.failed("complete", &ticket.key, error);
        // An answer that got lost makes the client ask again, and by then the upload is gone.
        let is_gone = error.has_code("NoSuchUpload");
        let is_taken = error.has_code("PreconditionFailed");
        let total = parts.iter().map(|part| part.length).sum();
        if (is_gone || is_taken) && self.holds(&ticket.key, total, crc64nvme).await? {
            if is_taken {
                self.abort_upload(ticket).await?;
            }
            return Ok(());
        }
        Err(error)
    }

    /// Forgets an upload and its parts; one that is gone is fine.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn abort_upload(&self, ticket: &UploadTicket) -> Result<(), Error> {
        let request = self.client.abort_multipart_upload().bucket(&self.config.bucket);
        let aborted = request
            .key(ticket.key.object())
            .upload_id(&ticket.upload_id)
            .send()
            .await;
        match aborted.map_err(|error| self.failed("abort the upload of", &ticket.key, error)) {
            Err(error) if !error.has_code("NoSuchUpload") => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether this content, as far as the store can tell, lies at the key.
    async fn holds(&self, key: &ContentKey, total: u64, crc64nvme: Crc64) -> Result<bool, Error> {
        let head = self.head(&key.object()).await?;
        Ok(head.is_some_and(|head| {
            head.length == total && head.crc64nvme.is_none_or(|found| found == crc64nvme)
        }))
    }

    fn failed<E>(
        &self,
        action: &'static str,
        key: &ContentKey,
        error: aws_sdk_s3::error::SdkError<E>,
    ) -> Error
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        Error::request(action, &self.config.bucket, &key.object(), error)
    }
}
