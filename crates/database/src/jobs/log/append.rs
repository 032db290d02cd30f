//! Writing a log: chunks that the lease guards, and where output was dropped.

use super::super::Jobs;
use crate::{Error, Hint, row};
use model::{BuildId, LeaseId};
use sqlx::PgConnection;
use std::borrow::Cow;

/// The longest chunk, in bytes.
pub const LOG_CHUNK_LENGTH_MAX: usize = 256 * 1024;
/// After this many bytes, all attempts of a build together, nothing more is kept. An attempt bounds its own
/// output long before; this bounds a build that is handed back again and again.
pub const LOG_LENGTH_MAX: i64 = 64 << 20;
/// What the log says when it is full.
const FULL: &[u8] = b"\n[starling] the log of all attempts is full; nothing more is kept\n";

/// Output that was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// How many bytes.
    pub bytes: u64,
    /// How many line ends were among them.
    pub lines: u64,
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
        self.append(build, lease, sequence, bytes, None).await
    }

    /// Appends the notice that output was dropped at this place, and remembers the place.
    ///
    /// Fails like [`Self::append_log`].
    pub async fn append_log_gap(
        &self,
        build: BuildId,
        lease: LeaseId,
        sequence: i64,
        notice: &[u8],
        dropped: Dropped,
    ) -> Result<(), Error> {
        self.append(build, lease, sequence, notice, Some(dropped)).await
    }

    async fn append(
        &self,
        build: BuildId,
        lease: LeaseId,
        sequence: i64,
        bytes: &[u8],
        dropped: Option<Dropped>,
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
        let position = end_of_log(&mut transaction, build).await?;
        let Some(kept) = within_limit(position, bytes) else {
            return Ok(());
        };
        let inserted = sqlx::query(
            "INSERT INTO log_chunks (build, position, lease, sequence, bytes) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (lease, sequence) DO NOTHING",
        )
        .bind(build.0)
        .bind(position)
        .bind(lease.0)
        .bind(sequence)
        .bind(kept.as_ref())
        .execute(&mut *transaction)
        .await?;
        if let Some(dropped) = dropped.filter(|dropped| dropped.bytes > 0 && inserted.rows_affected() > 0) {
            remember_gap(&mut transaction, build, position, dropped).await?;
        }
        transaction.commit().await?;
        self.shared.announcer.announce(Hint::Build(build));
        Ok(())
    }
}

/// What of a chunk is stored at a position; the chunk with which the log becomes full ends with the word
/// that it is.
fn within_limit(position: i64, bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if bytes.is_empty() || position >= LOG_LENGTH_MAX {
        return None;
    }
    let end = position.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    if end < LOG_LENGTH_MAX {
        return Some(Cow::Borrowed(bytes));
    }
    let kept = bytes.len().min(LOG_CHUNK_LENGTH_MAX - FULL.len());
    Some(Cow::Owned([&bytes[..kept], FULL].concat()))
}

async fn remember_gap(
    connection: &mut PgConnection,
    build: BuildId,
    position: i64,
    dropped: Dropped,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO log_gaps (build, position, dropped_bytes, dropped_lines) VALUES ($1, $2, $3, $4)",
    )
    .bind(build.0)
    .bind(position)
    .bind(row::signed(dropped.bytes))
    .bind(row::signed(dropped.lines))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn end_of_log(connection: &mut PgConnection, build: BuildId) -> Result<i64, Error> {
    let end: Option<i64> = sqlx::query_scalar(
        "SELECT position + octet_length(bytes) FROM log_chunks
         WHERE build = $1 ORDER BY position DESC LIMIT 1",
    )
    .bind(build.0)
    .fetch_optional(connection)
    .await?;
    Ok(end.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_says_so_once_and_takes_nothing_more() {
        let chunk = vec![b'x'; LOG_CHUNK_LENGTH_MAX];
        assert_eq!(within_limit(0, &chunk).as_deref(), Some(chunk.as_slice()));
        for length in [1, 100, LOG_CHUNK_LENGTH_MAX] {
            let position = LOG_LENGTH_MAX - 1;
            let last = within_limit(position, &chunk[..length]).unwrap();
            assert!(last.ends_with(FULL) && last.len() <= LOG_CHUNK_LENGTH_MAX);
            let end = position + i64::try_from(last.len()).unwrap();
            assert_eq!(within_limit(end, &chunk), None);
        }
    }
}
