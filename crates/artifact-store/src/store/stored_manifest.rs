//! The object at an artifact's manifest's place.

use super::{ContentKey, Crc64};
use artifact::{InvalidManifest, InvalidSignedManifest, SignedManifest};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8] = b"starling-stored-manifest\x01";
/// The header is a key, a checksum and a length.
const HEADER_LENGTH_MAX: usize = 256;

/// A signed manifest and where this store keeps the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// What the builder signed.
    pub signed: SignedManifest,
    /// Where the content lies in the same store.
    pub content_key: ContentKey,
    /// The content's checksum, to compare with the store's.
    pub crc64nvme: Crc64,
    /// Bytes of content.
    pub total: u64,
}

/// Why bytes are no stored manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStoredManifest {
    /// It begins like something else, or ends early.
    #[error("these bytes are no stored manifest")]
    Header,
    /// The signed part is damaged.
    #[error("the signed manifest is refused")]
    Signed(#[source] InvalidSignedManifest),
    /// What was signed is damaged.
    #[error("the manifest is refused")]
    Manifest(#[source] InvalidManifest),
    /// It is another artifact's.
    #[error("the manifest is another artifact's")]
    OtherArtifact,
}

#[derive(Serialize, Deserialize)]
struct Header {
    content_key: ContentKey,
    crc64nvme: Crc64,
    total: u64,
}

impl StoredManifest {
    /// The longest encoding, in bytes.
    pub const LENGTH_MAX: usize = MAGIC.len() + HEADER_LENGTH_MAX + SignedManifest::LENGTH_MAX;

    /// The object's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let header = Header {
            content_key: self.content_key.clone(),
            crc64nvme: self.crc64nvme,
            total: self.total,
        };
        // Proof: a vector takes whatever is written to it, and the header is of types that postcard knows.
        let mut bytes = postcard::to_extend(&header, MAGIC.to_vec()).expect("a header is written to memory");
        bytes.extend_from_slice(&self.signed.encode());
        bytes
    }

    /// Reads the object's bytes; checks no signature.
    ///
    /// # Errors
    /// Refuses what is damaged or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidStoredManifest> {
        let body = bytes.strip_prefix(MAGIC).ok_or(InvalidStoredManifest::Header)?;
        let (header, signed) =
            postcard::take_from_bytes::<Header>(body).map_err(|_| InvalidStoredManifest::Header)?;
        Ok(Self {
            signed: SignedManifest::decode(signed).map_err(InvalidStoredManifest::Signed)?,
            content_key: header.content_key,
            crc64nvme: header.crc64nvme,
            total: header.total,
        })
    }
}
