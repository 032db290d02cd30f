//! What goes wrong with a store.

use super::{InvalidStoredManifest, PartOrder, READ_LENGTH_MAX};
use artifact::InvalidManifest;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use model::ArtifactId;
use std::path::PathBuf;

/// Our own server's code when its disk is full.
pub(crate) const STORAGE_FULL: &str = "StorageFull";

/// Why something with a store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration that no client can be made of.
    #[error("the store's configuration is refused: {0}")]
    Config(&'static str),
    /// A request failed after its retries.
    #[error("failed to {action} {key:?} in bucket {bucket} ({code})")]
    Request {
        /// What was tried.
        action: &'static str,
        /// On which object.
        key: String,
        /// In which bucket.
        bucket: String,
        /// The store's error code, or `no answer`.
        code: String,
        /// The client's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store did not take a part at the address that was signed for it.
    #[error("failed to send part {number} ({code})")]
    Part {
        /// Which part.
        number: i32,
        /// The store's error code, or `no answer`.
        code: String,
        /// The client's error, where no answer came.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A part that no upload has.
    #[error("no upload has a part {} of {} bytes", .0.number, .0.length)]
    PartOrder(PartOrder),
    /// Whoever signs addresses gave none for a part.
    #[error("no address was signed for a part")]
    NoAddress(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was sent is not what it was said to be.
    #[error("the upload is not what its sender says: {0}")]
    Content(&'static str),
    /// The client for sending parts could not be made.
    #[error("failed to prepare for sending parts")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store answered with other bytes than were asked for.
    #[error("the store sent {found} bytes of {key:?} where {expected} were asked for")]
    Short {
        /// Which object.
        key: String,
        /// How many were asked for.
        expected: u64,
        /// How many came.
        found: u64,
    },
    /// More at once than a read may hold in memory.
    #[error("at most {READ_LENGTH_MAX} bytes are read at once, not {0}")]
    ReadTooLong(u64),
    /// A file of the outputs can't be read, or one of an artifact written.
    #[error("failed to read or write a file of the artifact")]
    File(#[source] std::io::Error),
    /// A file is not what it was when the upload began.
    #[error("{0} changed while it was uploaded")]
    FileChanged(PathBuf),
    /// The outputs make no artifact.
    #[error("the outputs make no artifact")]
    Outputs(#[source] InvalidManifest),
    /// Content that doesn't match the manifest.
    #[error("piece {0} does not match its hash")]
    WrongPiece(u32),
    /// What is copied could not be read; another store may have it whole.
    #[error("failed to read from the copy's source: {0}")]
    Source(String),
    /// A store took a part so much later than another that the copy went on without it.
    #[error("the store fell behind the others that are copied to")]
    Behind,
    /// A part was not cut as the manifest cuts it.
    #[error("a part does not begin and end with its pieces")]
    Cut(#[from] artifact::WrongPieceLength),
    /// There is no such artifact in this store.
    #[error("artifact {0} is not in the store")]
    Absent(ArtifactId),
    /// The object at the manifest's place is no manifest.
    #[error("the stored manifest of {artifact} is refused")]
    StoredManifest {
        /// Whose manifest.
        artifact: ArtifactId,
        /// What is wrong.
        #[source]
        source: InvalidStoredManifest,
    },
    /// A log's object is not what was recorded of it.
    #[error("the stored log {0:?} is damaged")]
    Log(String),
    /// The caller's token was cancelled.
    #[error("the transfer was cancelled")]
    Cancelled,
    /// A blocking task panicked.
    #[error("a background step failed")]
    Join(#[from] tokio::task::JoinError),
}

impl Error {
    /// Whether the store answered with this code, such as `NoSuchUpload`.
    pub(crate) fn has_code(&self, wanted: &str) -> bool {
        self.code().is_some_and(|code| code == wanted)
    }

    /// The store's word.
    fn code(&self) -> Option<&str> {
        match self {
            Self::Request { code, .. } | Self::Part { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the same request may succeed if it is sent again: the store is busy or away.
    pub(crate) fn is_transient(&self) -> bool {
        let Some(code) = self.code() else {
            return matches!(self, Self::Short { .. });
        };
        const CODES: [&str; 9] = [
            "no answer",
            STORAGE_FULL,
            "SlowDown",
            "ServiceUnavailable",
            "InternalError",
            "InternalFailure",
            "RequestTimeout",
            "Throttling",
            "IncompleteBody",
        ];
        CODES.contains(&code) || code.starts_with("status 5") || code == "status 429"
    }

    /// Whether it is the files' fault, so that trying again changes nothing.
    pub fn is_of_files(&self) -> bool {
        matches!(self, Self::Outputs(_) | Self::FileChanged(_))
    }

    /// Whether what was sent to an upload is at fault, or the upload is gone, so that asking again changes nothing.
    pub fn is_of_upload(&self) -> bool {
        const CODES: [&str; 7] = [
            "BadDigest",
            "EntityTooSmall",
            "InvalidDigest",
            "InvalidPart",
            "InvalidPartOrder",
            "NoSuchUpload",
            "PreconditionFailed",
        ];
        matches!(self, Self::Content(_) | Self::PartOrder(_)) || CODES.iter().any(|code| self.has_code(code))
    }

    /// Whether the store refused the credentials.
    pub fn is_denied(&self) -> bool {
        ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"]
            .iter()
            .any(|code| self.has_code(code))
    }

    /// Wraps an error of the client; `error.code()` is empty where no answer came.
    pub(crate) fn request<E>(action: &'static str, bucket: &str, key: &str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = match (error.code(), status) {
            (Some(code), _) => code.to_owned(),
            (None, Some(404)) => "NotFound".to_owned(),
            (None, Some(403)) => "AccessDenied".to_owned(),
            (None, Some(status)) => format!("status {status}"),
            (None, None) => "no answer".to_owned(),
        };
        Self::Request {
            action,
            key: key.to_owned(),
            bucket: bucket.to_owned(),
            code,
            source: Box::new(error),
        }
    }
}
