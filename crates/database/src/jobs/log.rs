//! A build's log: written in chunks by whoever holds the build, read by position.

use super::Jobs;
use crate::{Error, Hint};
use model::{BuildId, LeaseId};
use sqlx::PgConnection;

/// The longest chunk, in bytes.
pub const LOG_CHUNK_LENGTH_MAX: usize = 256 * 1024;
/// The most bytes that one read returns, besides what one chunk has over.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most chunks that one read looks at.
const READ_CHUNKS_MAX: i64 = 1_000;

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

impl Jobs {
    /// Appends to the log. `sequence` counts the lease's chunks, so that a chunk that is sent twice,
    /// after an answer was lost, is stored once. An empty chunk is nothing.
    ///
    /// Fails with [`Error::LeaseLost`], and [`Error::TooLarge`] above [`LOG_CHUNK_LENGTH_MAX`].
    pub async fn append_log(
        &self,
        build: BuildId,
        lease: LeaseId,
        sequence: i64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        if bytes.len() > LOG_CHUNK_LENGTH_MAX {
            return Err(Error::TooLarge {
                what: "the length of a log chunk",
                actual: bytes.len(),
                limit: LOG_CHUNK_LENGTH_MAX,
            });
        }
        // Begun even for an empty chunk, so that a lost lease is noticed.
        let mut transaction = self.fenced(build, lease).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        let position = end_of_log(&mut transaction, build).await?;
        sqlx::query(
            "INSERT INTO log_chunks (build, position, lease, sequence, bytes) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (lease, sequence) DO NOTHING",
        )
        .bind(build.0)
        .bind(position)
        .bind(lease.0)
        .bind(sequence)
        .bind(bytes)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.shared.announcer.announce(Hint::Build(build));
        Ok(())
    }

    /// Reads the log from the byte `from` on, at most `max_bytes` (and at most 4 MiB) at once.
    ///
    /// Fails with [`Error::UnknownBuild`].
    pub async fn log(&self, build: BuildId, from: i64, max_bytes: usize) -> Result<LogSlice, Error> {
        // The state is read before the chunks: nothing is appended after the end.
        let ended: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM results WHERE build = $1) FROM builds WHERE id = $1",
        )
        .bind(build.0)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::UnknownBuild(build))?;
        let from = from.max(0);
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

async fn end_of_log(connection: &mut PgConnection, build: BuildId) -> Result<i64, Error> {
    let end: Option<i64> = sqlx::query_scalar(
        "SELECT position + octet_length(bytes) FROM log_chunks
         WHERE build = $1 ORDER BY position DESC LIMIT 1",
    )
    .bind(build.0)
    .fetch_optional(connection)
    .await?;
    Ok(end.unwrap_or(0))
}
