//! The servers that are not ours, kept running like the roles are.

use super::board::{Board, ProcessStatus};
use local_services::{Error, Etcd, Postgres};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Before a server that could not be started again is tried once more.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A running server.
#[derive(Debug)]
pub enum Server {
    Postgres(Postgres),
    Etcd(Etcd),
}

impl Server {
    /// Starts the server again whenever it ends by itself, and stops it with `stop`.
    pub async fn keep(mut self, name: String, board: Board, stop: CancellationToken) {
        for restarts in 0.. {
            board.note(
                &name,
                ProcessStatus {
                    pid: self.id(),
                    restarts,
                },
            );
            tokio::select! {
                () = self.ended() => tracing::warn!(process = name, "a server ended and is started again"),
                () = stop.cancelled() => break,
            }
            while let Err(error) = self.restart().await {
                tracing::error!(process = name, %error, "a server could not be started again");
                tokio::select! {
                    () = tokio::time::sleep(RETRY_DELAY) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
        if let Err(error) = self.stop().await {
            tracing::warn!(process = name, %error, "a server could not be stopped");
        }
    }

    fn id(&self) -> Option<u32> {
        match self {
            Self::Postgres(server) => server.id(),
            Self::Etcd(server) => server.id(),
        }
    }

    async fn ended(&mut self) {
        match self {
            Self::Postgres(server) => server.ended().await,
            Self::Etcd(server) => server.ended().await,
        }
    }

    async fn restart(&mut self) -> Result<(), Error> {
        match self {
            Self::Postgres(server) => server.restart().await,
            Self::Etcd(server) => server.restart().await,
        }
    }

    async fn stop(self) -> Result<(), Error> {
        match self {
            Self::Postgres(server) => server.stop().await,
            Self::Etcd(server) => server.stop().await,
        }
    }
}
