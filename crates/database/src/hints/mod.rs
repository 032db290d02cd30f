//! Hints that something changed, by LISTEN and NOTIFY. They get lost: nothing may depend on one.

mod announcer;

pub(crate) use announcer::Announcer;

use crate::Error;
use model::{ArtifactId, BuildId, DeploymentId};
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use std::fmt;
use std::time::Duration;

/// The one channel of each database.
const CHANNEL: &str = "starling";
/// The wait before the connection is tried again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Something that changed, and is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A build waits to be claimed.
    Queued,
    /// A build's state, phase, progress or log changed.
    Build(BuildId),
    /// A replica of this artifact changed.
    Replica(ArtifactId),
    /// A deployment's state, or what its hosts say, changed.
    Deployment(DeploymentId),
    /// Somebody said something about a region's distributions.
    Controls,
    /// Hints may have been lost, so anything may have changed.
    Anything,
}

impl fmt::Display for Hint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => formatter.write_str("queued"),
            Self::Build(build) => write!(formatter, "build:{build}"),
            Self::Replica(artifact) => write!(formatter, "replica:{artifact}"),
            Self::Deployment(deployment) => write!(formatter, "deployment:{deployment}"),
            Self::Controls => formatter.write_str("controls"),
            Self::Anything => formatter.write_str("anything"),
        }
    }
}

impl Hint {
    /// Reads a payload. What another version may have sent and this one does not know is
    /// [`Hint::Anything`].
    fn parse(payload: &str) -> Self {
        let (kind, id) = payload.split_once(':').unwrap_or((payload, ""));
        let hint = match kind {
            "queued" => Some(Self::Queued),
            "controls" => Some(Self::Controls),
            "build" => id.parse().ok().map(Self::Build),
            "replica" => id.parse().ok().map(Self::Replica),
            "deployment" => id.parse().ok().map(Self::Deployment),
            _ => None,
        };
        hint.unwrap_or(Self::Anything)
    }
}

/// Sends a hint when the present transaction commits.
pub(crate) async fn send(connection: &mut PgConnection, hint: Hint) -> Result<(), Error> {
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(hint.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// An endless stream of hints, which reconnects by itself.
#[derive(Debug)]
pub struct Hints {
    listener: PgListener,
}

impl Hints {
    pub(crate) async fn listen(pool: &PgPool) -> Result<Self, Error> {
        let options = pool.connect_options().as_ref().clone();
        let own = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options)
            .await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        Ok(Self { listener })
    }

    /// Throws away what has come meanwhile, for those who are about to look at everything anyway.
    pub(crate) fn discard_received(&mut self) {
        while self.listener.next_buffered().is_some() {}
    }

    /// Waits for the next hint. After the connection was lost and found again this is
    /// [`Hint::Anything`]. Dropping the future loses no more than a hint.
    pub async fn next(&mut self) -> Hint {
        loop {
            match self.listener.try_recv().await {
                Ok(Some(notification)) => return Hint::parse(notification.payload()),
                Ok(None) => return Hint::Anything,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "lost the database's hints; connecting again"
                    );
                    tokio::time::sleep(RECONNECT_AFTER).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_reads_back_as_it_was_written() {
        let build = BuildId(uuid::Uuid::now_v7());
        let deployment = DeploymentId(uuid::Uuid::now_v7());
        for hint in [
            Hint::Queued,
            Hint::Build(build),
            Hint::Replica(ArtifactId([7; 32])),
            Hint::Deployment(deployment),
            Hint::Anything,
        ] {
            assert_eq!(Hint::parse(&hint.to_string()), hint);
        }
    }

    #[test]
    fn a_hint_that_is_not_known_means_that_anything_may_have_changed() {
        for payload in ["", "build:", "build:x", "weather:fine"] {
            assert_eq!(Hint::parse(payload), Hint::Anything);
        }
    }
}
