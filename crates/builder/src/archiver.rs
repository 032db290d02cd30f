//! Moving the logs of builds that have ended to the main store, by whichever process leads.
//!
//! First the object, then the row that names it; the same transaction removes what was moved. A crash
//! between the two leaves an object that the next try writes again, under the same name. A reader finds every
//! byte at the position that it always had, whichever side of the move it looks from.

use crate::metrics;
use artifact_store::{LogPacker, PackedLog, Store};
use database::jobs::{LogArchive, LogRead, LogSlice};
use database::{Jobs, Leadership, Singleton};
use failpoint::Point;
use model::BuildId;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often builds that have ended are looked for.
const PERIOD: Duration = Duration::from_secs(5);
/// The most logs in one look.
const LOGS_MAX: u32 = 256;
/// Bytes of a log that are read at once.
const READ_BYTES: usize = 1 << 20;

/// The archiver.
#[derive(Debug)]
pub struct Service {
    jobs: Jobs,
    store: Store,
}

/// Why a look stopped half-way; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A log could not be read or its move not be recorded.
    #[error("failed to read the log of a build or to record where it is")]
    Jobs(#[from] database::Error),
    /// The store did not take a log.
    #[error("failed to store the log of a build")]
    Store(#[from] artifact_store::Error),
    /// zstd failed.
    #[error("failed to compress the log of a build")]
    Compress(#[from] std::io::Error),
    /// The compression panicked.
    #[error("the compression of a log failed")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Service {
    /// Nothing happens before [`Self::run`].
    pub fn new(jobs: Jobs, store: Store) -> Self {
        Self { jobs, store }
    }

    /// Moves logs while this process leads, until `stop`. A store or database that is away is waited for.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(leadership) = self.jobs.lead(Singleton::LogArchiver, &stop).await {
            stop.run_until_cancelled(self.archive_while_leading(&leadership))
                .await;
        }
    }

    async fn archive_while_leading(&self, leadership: &Leadership) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let archiving = async {
            loop {
                ticks.tick().await;
                if let Err(error) = self.archive().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "failed to move logs to the main store; trying again");
                }
            }
        };
        // It ends with the leadership alone.
        let _: Option<()> = leadership.lost().run_until_cancelled(archiving).await;
    }

    /// Moves the logs of builds that have ended; returns how many.
    ///
    /// # Errors
    /// Fails at the first log that cannot be moved.
    pub async fn archive(&self) -> Result<usize, Error> {
        let mut moved = 0;
        for build in self.jobs.logs_to_archive(LOGS_MAX).await? {
            moved += usize::from(self.archive_one(build).await?);
        }
        Ok(moved)
    }

    async fn archive_one(&self, build: BuildId) -> Result<bool, Error> {
        let Some(packed) = self.pack(build).await? else {
            return Ok(false);
        };
        self.store.put_log(&packed).await?;
        failpoint::reach(Point::ArchiverStored);
        let log = packed.log();
        let archive = LogArchive {
            object: log.object.clone(),
            total_bytes: log.total,
            frame_ends: log.frame_ends.clone(),
        };
        let moved = self.jobs.archive_log(build, &archive).await?;
        if moved {
            failpoint::reach(Point::ArchiverMoved);
            ::metrics::counter!(metrics::LOGS_ARCHIVED).increment(1);
            ::metrics::counter!(metrics::LOG_BYTES_ARCHIVED).increment(log.total);
        }
        Ok(moved)
    }

    /// The whole log, compressed; `None` when somebody else has moved it meanwhile.
    async fn pack(&self, build: BuildId) -> Result<Option<PackedLog>, Error> {
        let mut packer = LogPacker::default();
        let mut from = 0;
        loop {
            let LogRead::Here(LogSlice {
                bytes,
                next,
                finished,
            }) = self.jobs.log(build, from, READ_BYTES).await?
            else {
                return Ok(None);
            };
            let ended = finished || bytes.is_empty();
            packer = tokio::task::spawn_blocking(move || packer.push(&bytes).map(|()| packer)).await??;
            if ended {
                let packed = tokio::task::spawn_blocking(move || packer.finish(build)).await??;
                return Ok(Some(packed));
            }
            from = next;
        }
    }
}
