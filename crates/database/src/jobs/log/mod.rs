//! A build's log: written in chunks by whoever holds the build, read by position, and moved to the object
//! store once the build has ended.

mod append;
mod archive;

pub use append::{Dropped, LOG_CHUNK_LENGTH_MAX, LOG_LENGTH_MAX};
pub use archive::LogArchive;

use super::Jobs;
use crate::Error;
use model::BuildId;

/// The most bytes that one read returns, besides what one chunk has over.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most chunks that one read looks at.
const READ_CHUNKS_MAX: i64 = 1_000;
/// The most gaps that one read returns: one for each attempt, of which there are few.
const GAPS_MAX: i64 = 1_000;

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSlice {
    /// The bytes from the asked position on.
    pub bytes: Vec<u8>,
    /// The position after the last of them; ask from there next.
    pub next: i64,
    /// Whether the build has ended and nothing comes after `next`.
    pub finished: bool,
}

/// What was found where a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRead {
    /// It is here, and this is the part that was asked for.
    Here(LogSlice),
    /// It has left for the object store, with every byte at the position that it had.
    Archived(LogArchive),
}

/// A place where output was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogGap {
    /// Where the notice about it begins, in bytes of the log.
    pub position: i64,
    /// What is missing.
    pub dropped: Dropped,
}

impl Jobs {
    /// Reads the log from the byte `from` on, at most `max_bytes` (and at most 4 MiB) at once.
    ///
    /// Fails with [`Error::UnknownBuild`].
    pub async fn log(&self, build: BuildId, from: i64, max_bytes: usize) -> Result<LogRead, Error> {
        // The state is read before the chunks: nothing is appended after the end.
        let ended: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM results WHERE build = $1) FROM builds WHERE id = $1",
        )
        .bind(build.0)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::UnknownBuild(build))?;
        let slice = self.stored_slice(build, from.max(0), max_bytes, ended).await?;
        // Looked for after the chunks, since these vanish in the moment in which this appears.
        if ended && let Some(archive) = self.log_archive(build).await? {
            return Ok(LogRead::Archived(archive));
        }
        Ok(LogRead::Here(slice))
    }

    async fn stored_slice(
        &self,
        build: BuildId,
        from: i64,
        max_bytes: usize,
        ended: bool,
    ) -> Result<LogSlice, Error> {
        let max_bytes = max_bytes.clamp(1, READ_BYTES_MAX);
        let chunks: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT position, bytes FROM log_chunks
             WHERE build = $1 AND position < $2 + $3
               AND position >= coalesce((SELECT max(position) FROM log_chunks
                                         WHERE build = $1 AND position <= $2), 0)
             ORDER BY position LIMIT $4",
        )
        .bind(build.0)
        .bind(from)
        .bind(i64::try_from(max_bytes).unwrap_or(i64::MAX))
        .bind(READ_CHUNKS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let bytes = join(&chunks, from, max_bytes);
        let next = from.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        let end = chunks
            .last()
            .map_or(from, |(position, chunk)| end_of(*position, chunk));
        // A full read may have stopped before the last chunk.
        let whole = bytes.len() < max_bytes && chunks.len() < usize::try_from(READ_CHUNKS_MAX).unwrap_or(0);
        Ok(LogSlice {
            finished: ended && whole && next >= end,
            bytes,
            next,
        })
    }

    /// Where output of the build was dropped, in the order of the log.
    pub async fn log_gaps(&self, build: BuildId) -> Result<Vec<LogGap>, Error> {
        let gaps: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT position, dropped_bytes, dropped_lines FROM log_gaps
             WHERE build = $1 ORDER BY position LIMIT $2",
        )
        .bind(build.0)
        .bind(GAPS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let gap = |(position, bytes, lines): (i64, i64, i64)| LogGap {
            position,
            dropped: Dropped {
                bytes: bytes.unsigned_abs(),
                lines: lines.unsigned_abs(),
            },
        };
        Ok(gaps.into_iter().map(gap).collect())
    }
}

fn end_of(position: i64, chunk: &[u8]) -> i64 {
    position.saturating_add(i64::try_from(chunk.len()).unwrap_or(i64::MAX))
}

/// The chunks' bytes from the byte `from` on.
fn join(chunks: &[(i64, Vec<u8>)], from: i64, max_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, chunk) in chunks {
        let skip = usize::try_from(from.saturating_sub(*position)).unwrap_or(0);
        let chunk = chunk.get(skip..).unwrap_or_default();
        let room = max_bytes - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    bytes
}
