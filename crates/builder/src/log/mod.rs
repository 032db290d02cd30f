//! A build's log, on its way from the process to the database.
//!
//! Output is collected for a moment, so that a chatty build costs few writes, and stored in chunks that
//! the lease guards. A flood is cut by [`cap`]: beginning and end are kept, the middle is counted.

mod cap;
mod mask;

pub(crate) use mask::{Masker, PATTERN_LENGTH_MIN};

use crate::fault::Fault;
use crate::lease::Lease;
use crate::{LogLimits, metrics};
use bytes::{Bytes, BytesMut};
use cap::Cap;
use database::jobs::{Dropped, LOG_CHUNK_LENGTH_MAX};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long output is collected before it is stored; what a reader of a live log lags behind.
const COLLECT: Duration = Duration::from_millis(250);
/// Chunks of output between the process and this room.
const QUEUE_LENGTH: usize = 8;
/// What the worker itself says in a log begins with this.
const OURS: &str = "[starling] ";

/// The writing end, for an attempt and its process.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    sender: mpsc::Sender<Bytes>,
}

/// The other end, to be driven at the same time.
#[derive(Debug)]
pub(crate) struct Shipper<'a> {
    lease: &'a Lease,
    receiver: mpsc::Receiver<Bytes>,
    cap: Cap,
    collected: BytesMut,
    sequence: i64,
}

/// Makes an attempt's log. The shipper ends when every [`Log`] of it is dropped.
pub(crate) fn open(lease: &Lease, limits: LogLimits) -> (Log, Shipper<'_>) {
    let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
    let shipper = Shipper {
        lease,
        receiver,
        cap: Cap::new(limits),
        collected: BytesMut::new(),
        sequence: 0,
    };
    (Log { sender }, shipper)
}

impl Log {
    /// A line of the worker's own.
    pub(crate) async fn say(&self, line: &str) {
        // Without a shipper the attempt is over, and the shipper's own error says why.
        let _ = self.sender.send(Bytes::from(format!("{OURS}{line}\n"))).await;
    }

    /// Makes an end for a process's output, and what carries it here with its secrets hidden, to be driven
    /// at the same time. That ends when every copy of the end is dropped.
    pub(crate) fn hiding(&self, mut masker: Masker) -> (mpsc::Sender<Bytes>, impl Future<Output = ()>) {
        let (end, mut output) = mpsc::channel::<Bytes>(QUEUE_LENGTH);
        let log = self.sender.clone();
        let carry = async move {
            while let Some(bytes) = output.recv().await {
                // Without a shipper the attempt is over, and the shipper's own error says why.
                let _ = log.send(masker.take(&bytes).into()).await;
            }
            let _ = log.send(masker.end().into()).await;
        };
        (end, carry)
    }
}

impl Shipper<'_> {
    /// Stores everything that comes, until nothing can come any more. After a failure it goes on
    /// reading, so that the process is not held up, and reports the failure at the end.
    pub(crate) async fn run(mut self) -> Result<(), Fault> {
        let stored = self.store_all().await;
        if stored.is_err() {
            while self.receiver.recv().await.is_some() {}
        }
        stored
    }

    async fn store_all(&mut self) -> Result<(), Fault> {
        while let Some(bytes) = self.receiver.recv().await {
            self.take(&bytes);
            self.collect().await;
            self.store().await?;
        }
        if let Some(end) = self.cap.end() {
            self.store().await?;
            if end.dropped.bytes > 0 {
                self.store_gap(end.dropped).await?;
            }
            self.collected.extend_from_slice(&end.tail);
        }
        self.store().await
    }

    /// Says that output is missing here, in the log and beside it.
    async fn store_gap(&mut self, dropped: Dropped) -> Result<(), Fault> {
        ::metrics::counter!(metrics::LOG_BYTES_DROPPED).increment(dropped.bytes);
        let Dropped { bytes, lines } = dropped;
        let notice = format!("{OURS}{bytes} bytes in {lines} lines of output were dropped here\n");
        self.lease
            .append_log_gap(self.sequence, notice.as_bytes(), dropped)
            .await?;
        self.sequence += 1;
        Ok(())
    }

    /// Takes more for a moment, or until a chunk is full.
    async fn collect(&mut self) {
        let until = Instant::now() + COLLECT;
        while self.collected.len() < LOG_CHUNK_LENGTH_MAX {
            match tokio::time::timeout_at(until, self.receiver.recv()).await {
                Ok(Some(bytes)) => self.take(&bytes),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let (kept, notice) = self.cap.take(bytes);
        self.collected.extend_from_slice(kept);
        self.collected.extend_from_slice(notice.as_bytes());
    }

    async fn store(&mut self) -> Result<(), Fault> {
        while !self.collected.is_empty() {
            let length = self.collected.len().min(LOG_CHUNK_LENGTH_MAX);
            let chunk = self.collected.split_to(length);
            self.lease.append_log(self.sequence, &chunk).await?;
            self.sequence += 1;
        }
        Ok(())
    }
}
