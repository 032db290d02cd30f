//! A small durable S3 server for one machine, in process: `starling dev` and tests need no other.
//!
//! The protocol is s3s's; the backend is ours. Each part that arrives becomes one file that never
//! changes, and an object is a small record that names its files, so Complete is one record written,
//! synced and renamed, whatever the size, and a server-side copy of whole parts shares the files.
//!
//! Promises:
//! - What was answered with success survives the end of the process and of the machine: files and
//!   records are synced before the answer.
//! - After any crash the folder opens again: an object is there as a whole or not at all, parts of
//!   unfinished uploads are there, everything that no record names is removed.
//! - Checksums that a client sends are compared with the bytes that arrived.
//! - No key becomes a path. The records of all objects are in memory, about 100 bytes a part.

mod auth;
mod backend;
mod checksums;
mod connections;
mod copy;
mod download;
mod folder;
mod listing;
mod objects;
mod receive;
mod record;
mod recovery;
mod s3;
mod uploads;

use crate::SecretAccessKey;
use auth::OneUser;
use backend::Backend;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that holds everything; made if it isn't there. One server at a time may have it.
    pub root: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may do everything; nobody else may do anything.
    pub access_key_id: String,
    /// The secret that requests are signed with.
    pub secret_access_key: SecretAccessKey,
}

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder can't be read or written.
    #[error("failed to open the store's folder")]
    Folder(#[from] std::io::Error),
    /// A record that this version doesn't understand; better no server than one that forgets objects.
    #[error("the record {path} is damaged")]
    Record {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        source: serde_json::Error,
    },
    /// The address is taken or not ours.
    #[error("failed to listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A blocking task panicked.
    #[error("a background step failed")]
    Join(#[from] tokio::task::JoinError),
}

/// A server that listens and waits to be run.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    service: S3Service,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Server").field(&self.local_addr).finish()
    }
}

impl Server {
    /// Opens the folder, cleans up after a crash and listens.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let root = config.root;
        let backend = tokio::task::spawn_blocking(move || Backend::open(root)).await??;
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let mut builder = S3ServiceBuilder::new(backend);
        builder.set_auth(OneUser {
            access_key_id: config.access_key_id,
            secret_access_key: config.secret_access_key,
        });
        Ok(Self {
            listener,
            local_addr,
            service: builder.build(),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until stopped; requests that are under way get a few seconds to end.
    pub async fn run(self, stop: CancellationToken) {
        connections::serve(self.listener, self.service, stop).await;
    }
}
