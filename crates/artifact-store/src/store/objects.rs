//! Whole objects: put and head, and the bucket itself.

use super::{Crc64, Error, Store};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, ChecksumMode, ChecksumType, CreateBucketConfiguration};
use bytes::Bytes;

/// What a store says about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u64,
    /// `None` where the store keeps no checksum of the whole object.
    pub(super) crc64nvme: Option<Crc64>,
}

impl Store {
    /// Creates the bucket unless it is there. For development; elsewhere an operator makes buckets.
    ///
    /// # Errors
    /// Fails if the store can't be reached or refuses.
    pub async fn ensure_bucket(&self) -> Result<(), Error> {
        let bucket = &self.config.bucket;
        let found = self.client.head_bucket().bucket(bucket).send().await;
        let Err(error) = found else { return Ok(()) };
        let error = Error::request("find", bucket, "", error);
        if !error.has_code("NotFound") && !error.has_code("NoSuchBucket") {
            return Err(error);
        }
        // AWS takes every region but its first as a constraint; other servers don't care.
        let place =
            (self.config.endpoint.is_none() && self.config.signing_region != "us-east-1").then(|| {
                CreateBucketConfiguration::builder()
                    .location_constraint(BucketLocationConstraint::from(
                        self.config.signing_region.as_str(),
                    ))
                    .build()
            });
        let request = self.client.create_bucket().bucket(bucket);
        let created = request.set_create_bucket_configuration(place).send().await;
        match created.map_err(|error| Error::request("create", bucket, "", error)) {
            Err(error) if !error.has_code("BucketAlreadyOwnedByYou") => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts a small object at once.
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let request = self
            .client
            .put_object()
            .bucket(&self.config.bucket)
            .key(key)
            .checksum_crc64_nvme(Crc64::of(&bytes).to_base64())
            .body(ByteStream::from(bytes));
        let sent = request.customize().disable_payload_signing().send().await;
        sent.map(|_| ())
            .map_err(|error| Error::request("put", &self.config.bucket, key, error))
    }

    /// What the store says about an object, or `None` if it isn't there.
    pub(super) async fn head(&self, key: &str) -> Result<Option<Head>, Error> {
        let request = self.client.head_object().bucket(&self.config.bucket).key(key);
        match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => {
                let whole = head.checksum_type() != Some(&ChecksumType::Composite);
                let crc64nvme = head.checksum_crc64_nvme().filter(|_| whole);
                Ok(Some(Head {
                    length: head
                        .content_length()
                        .unwrap_or_default()
                        .try_into()
                        .unwrap_or_default(),
                    crc64nvme: crc64nvme.and_then(Crc64::from_base64),
                }))
            }
            Err(error) => match Error::request("look at", &self.config.bucket, key, error) {
                error if error.has_code("NotFound") || error.has_code("NoSuchKey") => Ok(None),
                error => Err(error),
            },
        }
    }
}
