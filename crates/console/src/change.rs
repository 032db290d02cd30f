//! Wakes whoever shows something live: a count that grows with every hint of either database.
//!
//! Hints get lost, so those who wait also look by themselves from time to time; see `live`.

use crate::app::App;
use database::{Builds, Error, Hints, Jobs};
use std::time::Duration;
use tokio::sync::watch;

/// The wait before the databases are asked for hints again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The count.
#[derive(Debug, Clone)]
pub(crate) struct Changes(watch::Sender<u64>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Changes {
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    fn bump(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Follows both databases until the console closes.
pub(crate) async fn follow(app: App) {
    let App {
        jobs,
        builds,
        changes,
        closing,
        ..
    } = app;
    let both = async move {
        tokio::join!(
            relay(Source::Jobs(jobs), changes.clone()),
            relay(Source::Builds(builds), changes)
        )
    };
    Box::pin(closing.run_until_cancelled_owned(both)).await;
}

enum Source {
    Jobs(Jobs),
    Builds(Builds),
}

impl Source {
    async fn listen(&self) -> Result<Hints, Error> {
        match self {
            Self::Jobs(jobs) => jobs.listen().await,
            Self::Builds(builds) => builds.listen().await,
        }
    }
}

/// Passes one database's hints on, for ever.
async fn relay(source: Source, changes: Changes) {
    loop {
        match source.listen().await {
            Ok(mut hints) => loop {
                hints.next().await;
                changes.bump();
            },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to listen for hints"
                );
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}
