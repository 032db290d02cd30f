//! What is written about objects, uploads and parts; JSON, so that a person can read it.

use crate::Crc64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A file of bytes that never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Blob {
    pub(super) file: Uuid,
    pub(super) length: u64,
}

/// What the client said about an object when it began it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
}

/// An object: its blobs, in order, are its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectRecord {
    pub(super) key: String,
    pub(super) length: u64,
    pub(super) etag: String,
    pub(super) crc64nvme: Crc64,
    pub(super) modified_at: Timestamp,
    pub(super) attributes: Attributes,
    pub(super) blobs: Vec<Blob>,
    /// The upload that made it. Where both are found after a crash, the upload was completed.
    pub(super) upload_id: Option<Uuid>,
}

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadRecord {
    pub(super) key: String,
    pub(super) begun_at: Timestamp,
    pub(super) attributes: Attributes,
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRecord {
    pub(super) blob: Blob,
    pub(super) crc64nvme: Crc64,
    pub(super) etag: String,
    pub(super) modified_at: Timestamp,
}

impl PartRecord {
    /// Of bytes that just became a blob. The tag is the file's name, so it differs for every upload.
    pub(super) fn of(blob: Blob, crc64nvme: Crc64) -> Self {
        Self {
            blob,
            crc64nvme,
            etag: blob.file.simple().to_string(),
            modified_at: Timestamp::now(),
        }
    }
}
