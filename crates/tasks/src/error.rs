//! What can go wrong with a process, apart from what it does itself.

use model::ByteSize;
use std::path::PathBuf;

/// A process could not be started, watched or stopped. How a process *ended* is no error: see
/// [`sandbox::Exit`](crate::sandbox::Exit) and [`task::Ended`](crate::task::Ended).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is missing, not executable, or the machine is out of something.
    #[error("failed to start {program}")]
    Start {
        /// What was to be started.
        program: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// A started process could not be watched.
    #[error("failed to watch process {pid}")]
    Watch {
        /// Which process.
        pid: u32,
        /// The system's word.
        source: std::io::Error,
    },
    /// A folder or file that the process needs could not be made.
    #[error("failed to prepare {path}")]
    Prepare {
        /// Which one.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The sandbox does not work on this machine, so that every build would fail.
    #[error("the sandbox does not work here: {0}")]
    Sandbox(String),
    /// What a process uses could not be limited or seen.
    #[error("failed to hold a process to its limits")]
    Limits(#[source] std::io::Error),
    /// What a task is told could not be handed to it.
    #[error("failed to hand a task its variables")]
    Variables(#[source] std::io::Error),
    /// A container could not be run.
    #[error(transparent)]
    Container(#[from] crate::container::Error),
    /// The disk is nearly full, by whoever's doing: what runs on it is stopped before everything fails.
    #[error("the disk has {free} left, and {reserve} are to stay free")]
    DiskFull {
        /// What is left.
        free: ByteSize,
        /// What is to stay.
        reserve: ByteSize,
    },
    /// The thread that waits for a process ended before the process did.
    #[error("lost sight of a process")]
    Lost,
    /// The machine's processes could not be listed.
    #[error("failed to look for a process that was just being started")]
    Find(#[source] std::io::Error),
}
