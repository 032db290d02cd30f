//! What ends an agent. What is wrong with one service is no error of the agent's: it is reported.

use std::path::PathBuf;

/// Why an agent could not begin, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder or file of its own could not be made, read or written.
    #[error("failed to use {path:?}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two agents in one folder would stop each other's tasks.
    #[error("another agent runs in {folder:?}")]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// What an earlier agent wrote down cannot be read. Going on without it could bring an old release back, so a
    /// person has to decide: delete the file, and this host begins anew.
    #[error("the ledger {path:?} is damaged")]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The ledger is larger than any that an agent writes.
    #[error("the ledger {path:?} has {length} bytes, more than an agent would write")]
    LedgerLength {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
    /// A task of an earlier life may run or not; starting another one beside it would be wrong either way.
    #[error("failed to find out whether the task of service {service} still runs")]
    Adopt {
        /// Whose task.
        service: model::ServiceName,
        /// Why not.
        source: tasks::Error,
    },
    /// The HTTP client for the region's store could not be made.
    #[error("failed to prepare for the region's store")]
    Client(#[source] reqwest::Error),
    /// A part of the agent panicked. Its tasks go on, and the next agent adopts them.
    #[error("a part of the agent panicked")]
    Panicked(#[from] tokio::task::JoinError),
}
