//! What a worker and whoever publishes for it say to each other.
//!
//! The worker has files and no credentials; the other side has credentials and no files. Small messages are JSON; a
//! [`Publication`], which may be many megabytes, is bytes.

use crate::{Content, Part, PartOrder, UploadTicket};
use artifact::{InvalidManifest, MANIFEST_LENGTH_MAX, Manifest};
use model::ArtifactId;
use serde::{Deserialize, Serialize};

/// Four bytes before the header tell its length.
const HEADER_LENGTH_LENGTH: usize = 4;
/// A ticket and 4,096 parts of some 160 bytes each.
const HEADER_LENGTH_MAX: usize = 1 << 20;

/// An upload that may be sent to: a new one, or one that an earlier attempt left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BegunUpload {
    /// The upload.
    pub upload: UploadTicket,
    /// The parts that the store has of it.
    pub there: Vec<Part>,
}

/// Asks for an address for one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRequest {
    /// Of which upload.
    pub upload: UploadTicket,
    /// Which part.
    pub part: PartOrder,
}

/// Asks to forget an upload and its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortRequest {
    /// Which upload.
    pub upload: UploadTicket,
}

/// An artifact that can be read from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its name.
    pub artifact: ArtifactId,
    /// Bytes of content.
    pub total_bytes: u64,
}

/// Says that the build has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// What it made, which is in the main store.
    pub artifact: ArtifactId,
}

/// Asks to make what was sent an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What was sent to; none for content without bytes.
    pub upload: Option<UploadTicket>,
    /// What was sent.
    pub content: Content,
    /// What describes it; nobody signed it yet.
    pub manifest: Manifest,
}

/// Why bytes are no publication.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPublication {
    /// More bytes than one may have.
    #[error("a publication has at most {} bytes", Publication::LENGTH_MAX)]
    TooLong,
    /// What comes before the manifest is damaged.
    #[error("these bytes are no publication")]
    Header,
    /// The manifest is damaged.
    #[error("the manifest is refused")]
    Manifest(#[from] InvalidManifest),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    upload: Option<UploadTicket>,
    content: Content,
}

impl Publication {
    /// The longest encoding, in bytes.
    pub const LENGTH_MAX: usize = HEADER_LENGTH_LENGTH + HEADER_LENGTH_MAX + MANIFEST_LENGTH_MAX;

    /// The bytes: the length of a JSON header, that header, and the manifest.
    pub fn encode(&self) -> Vec<u8> {
        let header = Header {
            upload: self.upload.clone(),
            content: self.content.clone(),
        };
        // Proof: the header is of texts, numbers and lists of them.
        let header = serde_json::to_vec(&header).expect("a header is written to memory");
        // At most 4,096 parts, so far below 4 GiB.
        let length = (header.len() as u32).to_be_bytes();
        [&length[..], &header, &self.manifest.encode()].concat()
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Refuses what is too long, damaged or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidPublication> {
        if bytes.len() > Self::LENGTH_MAX {
            return Err(InvalidPublication::TooLong);
        }
        let parts = bytes
            .split_first_chunk::<HEADER_LENGTH_LENGTH>()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
        let (header, manifest) = parts.ok_or(InvalidPublication::Header)?;
        if header.len() > HEADER_LENGTH_MAX {
            return Err(InvalidPublication::TooLong);
        }
        let Header { upload, content } =
            serde_json::from_slice(header).map_err(|_| InvalidPublication::Header)?;
        Ok(Self {
            upload,
            content,
            manifest: Manifest::decode(manifest)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentKey, Crc64};
    use artifact::{FileEntry, ManifestBuilder, Provenance};
    use proptest::prelude::*;

    fn publication() -> Publication {
        let content = b"a feather";
        let entry = FileEntry {
            path: "wing/feather".parse().unwrap(),
            executable: true,
            length: content.len() as u64,
        };
        let provenance = Provenance {
            repository: "murmuration".parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            target: "//wing:feather".parse().unwrap(),
        };
        let builder = ManifestBuilder::new(vec![entry], provenance).unwrap();
        let piece = builder.hash_piece(0, content).unwrap();
        let crc64nvme = Crc64::of(content);
        Publication {
            upload: Some(UploadTicket {
                key: "build-1".parse::<ContentKey>().unwrap(),
                upload_id: "one".to_owned(),
            }),
            content: Content {
                parts: vec![Part {
                    number: 1,
                    length: content.len() as u64,
                    etag: "\"e\"".to_owned(),
                    crc64nvme: Some(crc64nvme),
                }],
                crc64nvme,
            },
            manifest: builder.finish(vec![piece]).unwrap(),
        }
    }

    #[test]
    fn a_publication_is_read_as_it_was_written() {
        let publication = publication();
        assert_eq!(Publication::decode(&publication.encode()).unwrap(), publication);
        let without = Publication {
            upload: None,
            ..publication
        };
        assert_eq!(Publication::decode(&without.encode()).unwrap(), without);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same_and_nothing_else_is_read(
            at in any::<prop::sample::Index>(), byte: u8, length in any::<prop::sample::Index>(),
        ) {
            let mut bytes = publication().encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(length.index(bytes.len() + 1));
            if let Ok(read) = Publication::decode(&bytes) {
                prop_assert_eq!(Publication::decode(&read.encode()).unwrap(), read);
            }
        }
    }
}
