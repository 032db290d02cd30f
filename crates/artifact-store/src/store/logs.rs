//! Logs of builds that have ended: one object each, of zstd frames that can be read one by one.
//!
//! Each frame holds [`LOG_FRAME_LENGTH`] bytes of the log (the last one less), so that any part is found
//! without reading what comes before it, and `zstd -d` reads the whole object.

use super::{Error, Store};
use bytes::Bytes;
use model::BuildId;

/// How much of a log is in one frame, in bytes.
pub const LOG_FRAME_LENGTH: usize = 1 << 20;
/// zstd's own default: a build's log shrinks to about a tenth at hundreds of megabytes a second.
const LEVEL: i32 = 3;

/// Where a log is, and how its object is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    /// The object's name. It has a digest of the object's bytes in it, so that writing it again never
    /// changes what was recorded of it.
    pub object: String,
    /// Bytes of the log.
    pub total: u64,
    /// Where each frame ends in the object, in bytes.
    pub frame_ends: Vec<u64>,
}

/// What the names of all objects with a build's log begin with.
pub(super) fn log_prefix(build: BuildId) -> String {
    format!("logs/{build}-")
}

/// A compressed log, not stored yet.
#[derive(Debug, Clone)]
pub struct PackedLog {
    log: StoredLog,
    bytes: Bytes,
}

impl PackedLog {
    /// What there is to record of it once it is stored.
    pub fn log(&self) -> &StoredLog {
        &self.log
    }
}

/// Compresses a log bit by bit, holding one frame of it and what became of the others.
#[derive(Debug, Default)]
pub struct LogPacker {
    frame: Vec<u8>,
    packed: Vec<u8>,
    frame_ends: Vec<u64>,
    total: u64,
}

impl LogPacker {
    /// Takes the log's next bytes. Compresses, so it may take milliseconds.
    ///
    /// # Errors
    /// Only where zstd lacks memory.
    pub fn push(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        self.total += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = LOG_FRAME_LENGTH - self.frame.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.frame.extend_from_slice(now);
            bytes = later;
            if self.frame.len() == LOG_FRAME_LENGTH {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    /// Ends the log of a build.
    ///
    /// # Errors
    /// Like [`Self::push`].
    pub fn finish(mut self, build: BuildId) -> std::io::Result<PackedLog> {
        if !self.frame.is_empty() {
            self.end_frame()?;
        }
        let digest = blake3::hash(&self.packed).to_hex();
        Ok(PackedLog {
            log: StoredLog {
                object: format!("{}{}.zst", log_prefix(build), &digest[..16]),
                total: self.total,
                frame_ends: self.frame_ends,
            },
            bytes: Bytes::from(self.packed),
        })
    }

    fn end_frame(&mut self) -> std::io::Result<()> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let packed = compressor.compress(&self.frame)?;
        self.packed.extend_from_slice(&packed);
        self.frame_ends.push(self.packed.len() as u64);
        self.frame.clear();
        Ok(())
    }
}

impl Store {
    /// Stores a log. Doing it twice changes nothing.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn put_log(&self, log: &PackedLog) -> Result<(), Error> {
        self.put(&log.log.object, log.bytes.clone()).await
    }

    /// Reads a log from the byte `from` on: `max_bytes`, and less only at the log's end.
    ///
    /// # Errors
    /// Fails when the store does, and refuses an object that is not what was recorded.
    pub async fn read_log(&self, log: &StoredLog, from: u64, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        // A frame may end in the middle of what was asked for, and of a line: whoever reads lines would take
        // the rest of a frame without a line's end for the end of the log.
        while bytes.len() < max_bytes {
            let at = from.saturating_add(bytes.len() as u64);
            if at >= log.total {
                break;
            }
            let rest = self.read_frame_from(log, at).await?;
            let room = max_bytes - bytes.len();
            bytes.extend_from_slice(&rest[..rest.len().min(room)]);
        }
        Ok(bytes)
    }

    /// What the frame that holds the byte `from` has from there on; never nothing.
    async fn read_frame_from(&self, log: &StoredLog, from: u64) -> Result<Vec<u8>, Error> {
        let damaged = || Error::Log(log.object.clone());
        let frame = (from / LOG_FRAME_LENGTH as u64) as usize;
        let start = match frame.checked_sub(1) {
            Some(before) => *log.frame_ends.get(before).ok_or_else(damaged)?,
            None => 0,
        };
        let end = *log.frame_ends.get(frame).ok_or_else(damaged)?;
        // A frame that doesn't shrink is stored as it is, with a header.
        let length = end
            .checked_sub(start)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= LOG_FRAME_LENGTH * 2)
            .ok_or_else(damaged)?;
        let mut packed = vec![0; length];
        self.read_into(&log.object, start, &mut packed).await?;
        let mut bytes =
            tokio::task::spawn_blocking(move || zstd::bulk::decompress(&packed, LOG_FRAME_LENGTH))
                .await?
                .map_err(|_| damaged())?;
        let skip = (from % LOG_FRAME_LENGTH as u64) as usize;
        if skip >= bytes.len() {
            return Err(damaged());
        }
        bytes.drain(..skip);
        Ok(bytes)
    }
}
