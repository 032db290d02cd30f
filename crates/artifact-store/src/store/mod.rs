//! The client.

mod config;
mod connection;
mod content;
mod content_key;
mod copy;
mod copy_target;
mod crc64;
mod cut;
mod download;
mod error;
mod logs;
mod manifests;
mod multipart;
mod objects;
mod outputs;
mod pace;
mod part_address;
mod part_sender;
mod patience;
mod presign;
mod read;
mod remove;
mod sending;
mod stored_manifest;
mod unfinished;
mod upload;
mod verify;
mod window;

pub use config::{Config, SecretAccessKey};
pub use content::Content;
pub use content_key::{ContentKey, InvalidContentKey};
pub use copy_target::CopyTarget;
pub use crc64::Crc64;
pub use error::Error;
pub(crate) use error::STORAGE_FULL;
pub use logs::{LOG_FRAME_LENGTH, LogPacker, PackedLog, StoredLog};
pub use multipart::{Existing, Part, UploadTicket};
pub use outputs::{Outputs, PlannedOutputs};
pub use pace::Pace;
pub use part_address::{PartAddress, PartOrder};
pub use part_sender::{PartSender, PartSigner};
pub use patience::Patience;
pub use presign::{ADDRESS_LIFETIME_MAX, SignedAddress};
pub use read::READ_LENGTH_MAX;
pub use stored_manifest::{InvalidStoredManifest, StoredManifest};
pub use unfinished::Unfinished;
pub use upload::{Sent, Uploaded};
pub use verify::Verification;

use std::sync::Arc;

/// The length of all parts but the last, in bytes. A multiple of every piece length, at least the
/// 5 MiB that S3 asks for, and large enough that the largest artifact has less than 10,000 parts.
pub const PART_LENGTH: u64 = 16 << 20;
/// How many parts of one upload or copy are read or sent at the same time, at the most.
pub const PARTS_IN_FLIGHT: usize = 4;

/// One bucket of one object store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: aws_sdk_s3::Client,
    config: Arc<Config>,
    patience: Patience,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Store").field(&self.config).finish()
    }
}
