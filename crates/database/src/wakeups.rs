//! Reasons for a reconciler to look again: a hint that concerns it, or time that has passed.

use crate::{Error, Hint, Hints};
use sqlx::PgPool;
use std::time::Duration;

/// Hints that come in a burst, such as a copy's progress, wake a reconciler once in this time.
const PAUSE: Duration = Duration::from_millis(100);

/// Wakes a reconciler on hints that it wants, and at least once in every period: losing every hint only
/// slows it down.
#[derive(Debug)]
pub struct Wakeups {
    pool: PgPool,
    hints: Option<Hints>,
    wanted: fn(&Hint) -> bool,
    period: Duration,
}

impl Wakeups {
    pub(crate) fn new(pool: PgPool, wanted: fn(&Hint) -> bool, period: Duration) -> Self {
        Self {
            pool,
            hints: None,
            wanted,
            period,
        }
    }

    /// Waits for the next reason. Never fails: without a database there are no hints, and the period
    /// remains.
    pub async fn next(&mut self) {
        tokio::time::sleep(PAUSE).await;
        let wanted = self.wanted;
        // A reconciler that does not listen yet, or not any more, may have missed something already.
        let Some(hints) = &mut self.hints else {
            match tokio::time::timeout(self.period, Hints::listen(&self.pool)).await {
                Ok(Ok(hints)) => self.hints = Some(hints),
                Ok(Err(error)) => self.wait_without_hints(&error).await,
                Err(_) => {}
            }
            return;
        };
        let hinted = async { while !wanted(&hints.next().await) {} };
        // Both ends of the wait mean the same: look again.
        let _ = tokio::time::timeout(self.period, hinted).await;
        hints.discard_received();
    }

    async fn wait_without_hints(&self, error: &Error) {
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "failed to listen for hints; looking by time alone"
        );
        tokio::time::sleep(self.period).await;
    }
}
