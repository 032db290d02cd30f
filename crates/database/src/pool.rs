//! Connections, and what each is allowed.

use crate::Error;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use std::time::Duration;

/// How much of a database one process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most connections at once, besides one for each [`crate::Hints`] and [`crate::Leadership`].
    pub connections_max: u32,
    /// How long a call waits for a free connection before it fails.
    pub acquire_timeout_ms: u64,
    /// How long those wait for an answer whom many others wait for. The server stops what takes longer than 30 s,
    /// so that an answer that does not come by then never will: the connection is open at this end alone.
    pub answer_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8,
            acquire_timeout_ms: 10_000,
            answer_timeout_ms: 45_000,
        }
    }
}

impl Limits {
    pub(crate) const fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }
}

/// Waits no longer than `limit` for the server's answer.
pub(crate) async fn answered<T, E>(
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, Error>
where
    Error: From<E>,
{
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(no_answer().into()),
    }
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// Statements that run longer than this are stopped by the server, so that no caller hangs.
const STATEMENT_TIMEOUT: &str = "30s";
/// A client that went away in the middle of a transaction holds its rows no longer than this.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "15s";

/// A connection that has rested for this long is asked whether it lives before it is used.
const ASK_AFTER: Duration = Duration::from_secs(1);

/// How long that may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Planner settings of connections on which every table is reached by an index.
///
/// A plan is kept for as long as the connection lives. One that was made while a queue was short reads the whole
/// table or index, which is right until it has grown, or until somebody holds a transaction open and a hundred
/// thousand deleted rows lie in it.
pub(crate) const BY_INDEX: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // What can't be had by an index counts as very dear now, and so as worth compiling, which takes longer than it.
    ("jit", "off"),
];

/// Opens connections whose sessions have these settings beside the usual ones.
pub(crate) async fn connect(url: &str, limits: Limits, settings: &[(&str, &str)]) -> Result<PgPool, Error> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.application_name("starling").options([
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
    ]);
    let options = options.options(settings.iter().copied());
    let pool = PgPoolOptions::new()
        .max_connections(limits.connections_max)
        .acquire_timeout(Duration::from_millis(limits.acquire_timeout_ms))
        // Asking whether a connection lives doubles the round trips of whoever uses it all the time.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= ASK_AFTER {
                    // One whose other end is gone without a word is left for the next.
                    let answered = tokio::time::timeout(ANSWER_WITHIN, connection.ping()).await;
                    answered.map_err(|_| no_answer())??;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}
