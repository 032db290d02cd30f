//! Fences: what a leader writes is refused once another leads.
//!
//! The lock that makes a leader ([`Leadership`](crate::Leadership)) can be lost without its holder noticing for some
//! seconds. A term can't: it is a number that only grows, and every write looks at it in its own transaction.

use super::Builds;
use crate::{Error, Singleton};
use sqlx::PgConnection;

/// A leader's term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    what: &'static str,
    number: i64,
}

const fn name(what: Singleton) -> &'static str {
    match what {
        Singleton::Reaper => "reaper",
        Singleton::Replicator => "replicator",
        Singleton::Synchronizer => "synchronizer",
        Singleton::Publisher => "publisher",
        Singleton::Rollout => "rollout",
        Singleton::LogArchiver => "log-archiver",
        Singleton::Collector => "collector",
        Singleton::Watcher => "watcher",
        Singleton::Clearer => "clearer",
    }
}

impl Builds {
    /// Begins a term, which ends every earlier one of the same kind. What the result writes of replicas is refused
    /// with [`Error::TermOver`] once a later term has begun.
    pub async fn begin_term(&self, what: Singleton) -> Result<Self, Error> {
        let what = name(what);
        let number = sqlx::query_scalar(
            "INSERT INTO terms (what, term) VALUES ($1, 1)
             ON CONFLICT (what) DO UPDATE SET term = terms.term + 1 RETURNING term",
        )
        .bind(what)
        .fetch_one(&self.pool)
        .await?;
        Ok(Self {
            term: Some(Term { what, number }),
            ..self.clone()
        })
    }

    /// Whether the term goes on.
    ///
    /// Fails with [`Error::TermOver`] if it doesn't.
    pub async fn confirm_term(&self) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        self.hold_term(&mut connection).await
    }

    /// Makes sure, until the transaction ends, that nobody has begun a later term: whoever would, waits for the row.
    pub(super) async fn hold_term(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let Some(term) = self.term else { return Ok(()) };
        let held = sqlx::query("SELECT FROM terms WHERE what = $1 AND term = $2 FOR SHARE")
            .bind(term.what)
            .bind(term.number)
            .execute(connection)
            .await?;
        if held.rows_affected() == 0 {
            return Err(Error::TermOver(term.what));
        }
        Ok(())
    }
}
