//! What can go wrong when a local server is started.

use std::path::PathBuf;

/// Why a local server did not start or stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is not installed.
    #[error("{program} is not installed: run `apt-get install {package}`")]
    NotInstalled {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The program could not be started.
    #[error("failed to start {program}")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The program ended while it was needed.
    #[error("{program} ended by itself ({status}); the end of {log} says:\n{tail}")]
    Ended {
        /// Which program.
        program: String,
        /// How it ended.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The program did not become ready in time.
    #[error("{program} was not ready after {seconds} s; the end of {log} says:\n{tail}")]
    NotReady {
        /// Which program.
        program: String,
        /// How long was waited.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A file or folder could not be read or written.
    #[error("failed to prepare a local server's folder")]
    Io(#[from] std::io::Error),
}
