//! How a worker hears that nothing was published for it.

use axum::http::StatusCode;
use model::{ArtifactId, BuildId, LeaseId};

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishingRefused {
    #[error("lease {lease} of build {build} was lost")]
    LeaseLost { build: BuildId, lease: LeaseId },
    #[error("what was sent is of another build")]
    OtherBuild,
    #[error("artifact {} is just being removed", .0.short())]
    BeingRemoved(ArtifactId),
    #[error("artifact {} is not in the main store as it should be", .0.short())]
    NotPublished(ArtifactId),
    #[error("{0}")]
    Content(Box<artifact_store::Error>),
    #[error("{0}")]
    Malformed(#[from] artifact_store::publishing::InvalidPublication),
    #[error("too many artifacts are being published at once")]
    Busy,
}

impl PublishingRefused {
    pub(super) const fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::LeaseLost { .. } => ("lease_lost", StatusCode::CONFLICT),
            Self::OtherBuild => ("other_build", StatusCode::FORBIDDEN),
            Self::BeingRemoved(_) => ("artifact_being_removed", StatusCode::CONFLICT),
            Self::NotPublished(_) => ("artifact_not_published", StatusCode::CONFLICT),
            Self::Content(_) => ("upload_differs", StatusCode::CONFLICT),
            Self::Malformed(_) => ("invalid_publication", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Busy => ("publishing_busy", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    pub(super) const fn next(&self) -> &'static str {
        match self {
            Self::LeaseLost { .. } => {
                "kill what runs for this lease; the build is another worker's, or has ended"
            }
            Self::OtherBuild => "send what this attempt at this build has made",
            Self::BeingRemoved(_) => "ask again in a few seconds",
            Self::NotPublished(_) => "publish it first",
            Self::Content(_) => "begin again, and send what differs",
            Self::Malformed(_) => "use a worker of the same version as the API",
            Self::Busy => "ask again in a moment",
        }
    }
}
