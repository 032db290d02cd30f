//! Sends hints after the fact, many at a time.
//!
//! A transaction that notifies holds a lock of the whole server until its commit has reached the disk, so
//! notifying commits go one by one (`PreCommit_Notify` in PostgreSQL's `async.c`). Hints may get lost, so
//! those of a hot path are sent by a task of their own, in a transaction that writes nothing else.

use super::{CHANNEL, Hint};
use crate::pool::answered;
use sqlx::PgPool;
use std::time::Duration;
use tokio::sync::mpsc;

/// Hints that wait to be sent; more are dropped, and those who listen look at everything.
const WAITING_MAX: usize = 4_096;
/// The most hints of one transaction.
const BATCH_MAX: usize = 512;
/// The least time between two transactions. The first hint after a rest goes out at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Where hints are handed in. The task that sends them ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    hints: mpsc::Sender<Hint>,
}

impl Announcer {
    /// Begins the task, on the present runtime. It waits for the database no longer than `limit`.
    pub(crate) fn start(pool: PgPool, limit: Duration) -> Self {
        let (hints, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(send_all(pool, limit, waiting));
        Self { hints }
    }

    /// Sends a hint soon, or never.
    pub(crate) fn announce(&self, hint: Hint) {
        // Whoever listens looks from time to time anyway.
        let _ = self.hints.try_send(hint);
    }
}

async fn send_all(pool: PgPool, limit: Duration, mut waiting: mpsc::Receiver<Hint>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        // What is said twice in one transaction is sent once.
        let payloads: Vec<String> = batch.drain(..).map(|hint| hint.to_string()).collect();
        let sent = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
            .bind(CHANNEL)
            .bind(payloads)
            .execute(&pool);
        if let Err(error) = answered(limit, sent).await {
            tracing::debug!(%error, "hints were lost");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
