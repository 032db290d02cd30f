//! Floor 2: artifacts in object stores.
//!
//! The only room that knows the S3 protocol: [`Store`] is its client, [`server`] a small durable server
//! for one machine. A store holds an artifact as two objects, the content at `content/<key>` and the
//! signed manifest with the content's place at `manifests/<artifact id>`. The content comes first and
//! the manifest last, so an artifact whose manifest is there is whole. The main store also keeps the
//! compressed logs of builds that have ended, at `logs/<build>-<digest>.zst`.
//!
//! Promises:
//! - Memory stays flat: whatever the size, an upload or a streamed copy holds at most
//!   [`PARTS_IN_FLIGHT`] parts of [`PART_LENGTH`] bytes (64 MiB), a read what was asked for, at most
//!   [`READ_LENGTH_MAX`].
//! - Content is read, hashed and sent in one pass; a file that changes meanwhile fails the upload. What a stopped or
//!   failed one has sent is used by the next, once it was compared with the files.
//! - Parts are sent at addresses that are signed for that one part, its length and its checksum; who sends them needs no
//!   credentials ([`PartSender`]).
//! - Every part carries a CRC64NVME that the store checks, and Complete carries that of the whole.
//! - Every request has a deadline and a bounded number of retries; how many parts are on their way at once follows
//!   what the store takes.
//!
//! This crate never decides which signatures count: whoever reads a manifest must verify it.

mod buffers;
pub mod publishing;
pub mod server;
mod store;

pub use store::{
    ADDRESS_LIFETIME_MAX, Config, Content, ContentKey, CopyTarget, Crc64, Error, Existing, InvalidContentKey,
    InvalidStoredManifest, LOG_FRAME_LENGTH, LogPacker, Outputs, PART_LENGTH, PARTS_IN_FLIGHT, Pace,
    PackedLog, Part, PartAddress, PartOrder, PartSender, PartSigner, Patience, PlannedOutputs,
    READ_LENGTH_MAX, SecretAccessKey, Sent, SignedAddress, Store, StoredLog, StoredManifest, Unfinished,
    UploadTicket, Uploaded, Verification,
};
