//! Who of several processes does a thing that one alone should do, by a Postgres advisory lock.
//!
//! The lock belongs to a connection of its own. When that breaks, the server frees the lock at once
//! while the old leader needs up to [`PING_EVERY`] + [`PING_TIMEOUT`] to notice, so for that long two
//! may lead: whatever a leader does must be safe to do twice.

use crate::Error;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a process that does not lead asks again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often the leader makes sure that its connection stands.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long that may take.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// Sets our locks apart from those of other programs in the same database.
const LOCK_CLASS: i32 = 0x5354_524c;

/// A thing that one process alone should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Singleton {
    /// Gives lost builds back.
    Reaper,
    /// Copies artifacts to the regions' stores.
    Replicator,
    /// Compares and records replicas.
    Synchronizer,
    /// Carries the outbox to the regions.
    Publisher,
    /// Moves deployments along.
    Rollout,
    /// Moves the logs of builds that have ended to the object store.
    LogArchiver,
    /// Watches what has succeeded.
    Watcher,
    /// Takes withdrawn artifacts out of the stores.
    Collector,
    /// Clears what builds that have ended left in the main store.
    Clearer,
}

impl Singleton {
    const fn key(self) -> i32 {
        match self {
            Self::Reaper => 1,
            Self::Replicator => 2,
            Self::Synchronizer => 3,
            Self::Publisher => 4,
            Self::Rollout => 5,
            Self::LogArchiver => 6,
            Self::Collector => 7,
            Self::Watcher => 8,
            Self::Clearer => 9,
        }
    }
}

/// This process leads, until it drops this or loses its connection.
#[derive(Debug)]
pub struct Leadership {
    lost: CancellationToken,
    // Ends the task that holds the connection, and so frees the lock.
    _release: DropGuard,
}

impl Leadership {
    /// Cancelled once this process may not lead any more.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Waits until this process leads; `None` when `stop` came first. A database that is away is
    /// waited for.
    pub(crate) async fn acquire(
        options: &PgConnectOptions,
        what: Singleton,
        stop: &CancellationToken,
    ) -> Option<Self> {
        loop {
            let attempt = stop.run_until_cancelled(try_lock(options, what)).await?;
            match attempt {
                Ok(Some(connection)) => return Some(Self::hold(connection, what)),
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    leadership.of = ?what,
                    "failed to ask for leadership; asking again"
                ),
            }
            stop.run_until_cancelled(tokio::time::sleep(ASK_EVERY)).await?;
        }
    }

    fn hold(connection: PgConnection, what: Singleton) -> Self {
        tracing::info!(leadership.of = ?what, "leading");
        let lost = CancellationToken::new();
        let release = CancellationToken::new();
        tokio::spawn(watch(connection, what, lost.clone(), release.clone()));
        Self {
            lost,
            _release: release.drop_guard(),
        }
    }
}

async fn try_lock(options: &PgConnectOptions, what: Singleton) -> Result<Option<PgConnection>, Error> {
    let mut connection = options.connect().await?;
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)")
        .bind(LOCK_CLASS)
        .bind(what.key())
        .fetch_one(&mut connection)
        .await?;
    if locked {
        return Ok(Some(connection));
    }
    connection.close().await?;
    Ok(None)
}

/// Owns the locking connection: it ends when the [`Leadership`] is dropped or the connection breaks.
async fn watch(
    mut connection: PgConnection,
    what: Singleton,
    lost: CancellationToken,
    release: CancellationToken,
) {
    let broken = async {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            match tokio::time::timeout(PING_TIMEOUT, connection.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "the database did not answer in time".to_owned(),
            }
        }
    };
    let reason = release.run_until_cancelled(broken).await;
    lost.cancel();
    match reason {
        Some(reason) => tracing::warn!(leadership.of = ?what, reason, "lost leadership"),
        None => {
            // Said politely, the next leader need not wait for the server to notice.
            let _ = tokio::time::timeout(PING_TIMEOUT, connection.close()).await;
        }
    }
}
