//! What keeps a proxy from starting. What is wrong with one request or one command is told to whoever sent it.

use std::path::PathBuf;

/// Why a proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder, file or socket of its own could not be made, read or written.
    #[error("failed to use {path:?}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What an earlier proxy wrote down can't be read. Going on without it would leave services without their ports,
    /// so a person has to decide: delete the file, and the agent tells everything anew.
    #[error("the state {path:?} is damaged")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A stable port is not free.
    #[error("failed to listen on port {port} of service {service}")]
    Listen {
        /// Whose.
        service: model::ServiceName,
        /// Which.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The proxy that runs already did not hand its sockets over.
    #[error("failed to take over from the proxy that runs already")]
    TakeOver(#[from] proxy_control::Error),
    /// A thread could not be started.
    #[error("failed to start a thread")]
    Thread(#[source] std::io::Error),
}
