//! Why a worker cannot work at all.

use crate::InvalidConfig;
use std::path::PathBuf;

/// Why a worker did not start, or had to end. A build that goes wrong is no error of the worker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration says something impossible.
    #[error("the worker's configuration is refused")]
    Config(#[from] InvalidConfig),
    /// Another worker uses the folder.
    #[error("the work folder {0} is in use by another worker")]
    WorkFolderInUse(PathBuf),
    /// The folder cannot be made, read or cleared.
    #[error("failed to prepare the work folder")]
    WorkFolder(#[source] std::io::Error),
    /// No build could run on this machine.
    #[error("builds cannot run on this machine")]
    Sandbox(#[source] tasks::Error),
    /// The heartbeat's thread could not be started.
    #[error("failed to start the heartbeat")]
    Heartbeat(#[source] std::io::Error),
    /// The heartbeat's thread ended by itself, so that no lease could be kept.
    #[error("the heartbeat ended unexpectedly")]
    HeartbeatEnded,
}
