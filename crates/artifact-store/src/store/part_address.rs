//! Letting somebody without credentials put one part of one upload.

use super::{Crc64, Error, PART_LENGTH, Store, UploadTicket};
use aws_sdk_s3::presigning::PresigningConfig;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The most parts of an upload, S3's own limit.
const PART_NUMBER_MAX: i32 = 10_000;

/// One part as it will be sent: what an address opens, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartOrder {
    /// Counted from 1, at most 10,000.
    pub number: i32,
    /// Its length in bytes, 1 to [`PART_LENGTH`].
    pub length: u64,
    /// Its checksum.
    pub crc64nvme: Crc64,
}

/// Where one part is PUT, and the headers that must go with it, until it expires. It is a secret: its debug form
/// doesn't show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartAddress {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
}

impl fmt::Debug for PartAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PartAddress(…)")
    }
}

impl Store {
    /// Signs an address for putting this one part. Sends nothing, and doesn't ask whether the upload is there. Length
    /// and checksum are signed too: the store takes no other bytes there.
    ///
    /// # Errors
    /// Refuses a part that no upload has.
    pub async fn presign_part(
        &self,
        ticket: &UploadTicket,
        order: &PartOrder,
        lifetime: Duration,
    ) -> Result<PartAddress, Error> {
        if !(1..=PART_NUMBER_MAX).contains(&order.number) || !(1..=PART_LENGTH).contains(&order.length) {
            return Err(Error::PartOrder(*order));
        }
        let config = PresigningConfig::expires_in(lifetime)
            .map_err(|_| Error::Config("a signed address is good for at most a week"))?;
        let (bucket, object) = (&self.config.bucket, ticket.key.object());
        let signed = self
            .client
            .upload_part()
            .bucket(bucket)
            .key(&object)
            .upload_id(&ticket.upload_id)
            .part_number(order.number)
            // At most PART_LENGTH.
            .content_length(order.length as i64)
            .checksum_crc64_nvme(order.crc64nvme.to_base64())
            .presigned(config)
            .await
            .map_err(|error| Error::request("sign an address for a part of", bucket, &object, error))?;
        let headers = signed.headers();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(PartAddress {
            url: signed.uri().to_owned(),
            headers: headers.collect(),
        })
    }
}
