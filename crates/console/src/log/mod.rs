//! A build's log: read from wherever it is, cut into lines, searched, and made fit to be shown.

mod ansi;
mod lines;
mod needle;
mod search;

pub(crate) use lines::{Line, Place};
pub(crate) use needle::Needle;
pub(crate) use search::search;

use crate::refusal::Refusal;
use artifact_store::{Store, StoredLog};
use database::Jobs;
use database::jobs::{LogArchive, LogGap, LogRead, LogSlice};
use model::BuildId;

/// The most bytes that one look at a log reads.
pub(crate) const READ_BYTES_MAX: usize = 1024 * 1024;

/// Every build's log: in the jobs database while the build goes on, in the main store afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    jobs: Jobs,
    store: Store,
}

impl Logs {
    pub(crate) const fn new(jobs: Jobs, store: Store) -> Self {
        Self { jobs, store }
    }

    /// Reads from the byte `from` on, at most `max_bytes` at once. Positions mean the same wherever the
    /// log is.
    pub(crate) async fn read(
        &self,
        build: BuildId,
        from: i64,
        max_bytes: usize,
    ) -> Result<LogSlice, Refusal> {
        let archive = match self.jobs.log(build, from, max_bytes).await? {
            LogRead::Here(slice) => return Ok(slice),
            LogRead::Archived(archive) => archive,
        };
        let LogArchive {
            object,
            total_bytes: total,
            frame_ends,
        } = archive;
        let log = StoredLog {
            object,
            total,
            frame_ends,
        };
        let from = from.max(0);
        let bytes = self.store.read_log(&log, from.unsigned_abs(), max_bytes).await?;
        let next = from.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        Ok(LogSlice {
            finished: next.unsigned_abs() >= total,
            bytes,
            next,
        })
    }

    /// Where output was dropped.
    pub(crate) async fn gaps(&self, build: BuildId) -> Result<Vec<LogGap>, Refusal> {
        Ok(self.jobs.log_gaps(build).await?)
    }
}
