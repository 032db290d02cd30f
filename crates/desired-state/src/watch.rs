//! Hearing that a region's desired state may have changed.

use crate::store::{DesiredState, limited};
use etcd_client::{WatchClient, WatchOptions, WatchResponse, WatchStream};
use std::time::Duration;
use tokio::time::Instant;
use tracing::debug;

/// How long to wait before a watch that broke is opened again.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

/// A stream of hints. Each says "list again"; none says what changed.
pub struct Watch {
    client: WatchClient,
    prefix: String,
    next_revision: i64,
    stream: Option<WatchStream>,
    reopen_at: Instant,
}

impl DesiredState {
    /// Watches for changes after `revision`, usually that of a [`crate::Snapshot`].
    pub fn watch(&self, revision: i64) -> Watch {
        Watch {
            client: self.client.watch_client(),
            // The leader's key lies there too; it changes so seldom that one listing more costs nothing.
            prefix: self.prefix().to_owned(),
            next_revision: revision + 1,
            stream: None,
            reopen_at: Instant::now(),
        }
    }
}

impl Watch {
    /// Waits until the desired state may have changed. Never fails: while etcd is away it keeps trying, and
    /// the caller's periodic listing keeps finding out. May be dropped and called again without loss.
    pub async fn changed(&mut self) {
        loop {
            let Some(stream) = &mut self.stream else {
                self.open().await;
                continue;
            };
            match stream.message().await {
                Ok(Some(response)) => {
                    if self.receive(&response) {
                        return;
                    }
                }
                Ok(None) => self.broken("the stream ended"),
                Err(error) => self.broken(&error.to_string()),
            }
        }
    }

    async fn open(&mut self) {
        tokio::time::sleep_until(self.reopen_at).await;
        let options = WatchOptions::new()
            .with_prefix()
            .with_fragment()
            .with_start_revision(self.next_revision);
        match limited("watch", self.client.watch(self.prefix.as_str(), Some(options))).await {
            Ok(stream) => self.stream = Some(stream),
            Err(error) => self.broken(&error.to_string()),
        }
    }

    /// Takes one message in; whether it is a reason to list again.
    fn receive(&mut self, response: &WatchResponse) -> bool {
        if response.canceled() {
            // A watch from a revision that was compacted away does not fail: it ends like this. What happened
            // in between is gone, so only a listing can tell.
            let compacted = response.compact_revision();
            self.broken(response.cancel_reason());
            self.next_revision = self.next_revision.max(compacted + 1);
            return compacted > 0;
        }
        if response.events().is_empty() {
            return false;
        }
        if let Some(header) = response.header() {
            self.next_revision = self.next_revision.max(header.revision() + 1);
        }
        true
    }

    fn broken(&mut self, reason: &str) {
        debug!(watch.prefix = %self.prefix, watch.reason = reason, "watch broke; opening it again");
        self.stream = None;
        self.reopen_at = Instant::now() + REOPEN_DELAY;
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Watch")
            .field("prefix", &self.prefix)
            .field("next_revision", &self.next_revision)
            .finish_non_exhaustive()
    }
}
