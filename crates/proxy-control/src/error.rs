//! Why a command was not carried out.

use std::path::PathBuf;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there.
    #[error("no proxy answers at {path:?}")]
    Unreachable {
        /// The control socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("failed to speak with the proxy")]
    Broken(#[from] std::io::Error),
    /// The proxy took too long. Whether it did as it was told is not known; commands may be repeated.
    #[error("the proxy did not answer within {seconds} s")]
    Slow {
        /// The limit.
        seconds: u64,
    },
    /// The other side ended the conversation.
    #[error("the other side closed the connection")]
    Closed,
    /// A line that is longer than any that a proxy or an agent would write.
    #[error("a line is longer than {max} bytes")]
    LineLength {
        /// The limit.
        max: usize,
    },
    /// A line that isn't what was expected.
    #[error("failed to read a line of the control protocol")]
    Garbled(#[from] serde_json::Error),
    /// An answer to another question.
    #[error("the proxy answered with something else than what was asked")]
    Unexpected,
    /// The proxy says no.
    #[error("the proxy refuses: {reason}")]
    Refused {
        /// Why, in words.
        reason: String,
    },
}
