//! Wakes whoever shows something live: a count that grows with every hint of either database.
//!
//! Hints get lost, so those who wait also look by themselves from time to time; see `live`.

use crate::app::App;
use database::{Error, Hints};
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
pub(crate) async fn follow(app: &App) {
    tokio::join!(
        follow_one(app, async || app.jobs.listen().await),
        follow_one(app, async || app.builds.listen().await),
    );
}

async fn follow_one(app: &App, listen: impl AsyncFn() -> Result<Hints, Error>) {
    let relay = async {
        loop {
            match listen().await {
                Ok(mut hints) => loop {
                    hints.next().await;
                    app.changes.bump();
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
    };
    app.closing.run_until_cancelled(relay).await;
}
