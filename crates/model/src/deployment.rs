//! Releases, deployments, and the small desired state that carries them to a region.

use crate::macros::{uuid_id, word_enum};
use crate::{ArtifactId, ServiceName, ServiceSpec};
use serde::{Deserialize, Serialize};

uuid_id!(
    /// One deployment: moving a service's instances to a release.
    DeploymentId
);

/// A service's releases are numbered 1, 2, 3 … A rollback is a new, higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseNumber(pub i64);

impl std::fmt::Display for ReleaseNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Orders every desired state of a service. It only grows; a receiver refuses a smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl std::fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

word_enum!(
    /// Where a deployment stands. The last four are terminal.
    DeploymentState {
        /// Confirmed, and not yet in any region.
        Pending = "PENDING",
        /// The bits are moving to every host; nothing switches.
        Staging = "STAGING",
        /// Hosts switch to the release.
        Activating = "ACTIVATING",
        /// Every host runs the release and is healthy.
        Succeeded = "SUCCEEDED",
        /// It did not converge before its deadline; the reason is stored.
        Failed = "FAILED",
        /// A newer deployment of the service took its place.
        Superseded = "SUPERSEDED",
        /// Somebody cancelled it.
        Cancelled = "CANCELLED",
    }
);

impl DeploymentState {
    /// Whether nothing can change this state any more.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Superseded | Self::Cancelled
        )
    }
}

word_enum!(
    /// What hosts should do with a release now.
    Directive {
        /// Fetch and verify it; go on running what runs.
        Stage = "STAGE",
        /// Run it.
        Activate = "ACTIVATE",
    }
);

/// One service's desired state in a region: the value of its single etcd key, and what a manager
/// hands to its hosts. Its size does not depend on how many hosts there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredService {
    /// Which service.
    pub service: ServiceName,
    /// Grows with every change of this value.
    pub epoch: Epoch,
    /// Which deployment asked for it.
    pub deployment: DeploymentId,
    /// The release's number, for people and reports.
    pub release: ReleaseNumber,
    /// The release's bytes.
    pub artifact: ArtifactId,
    /// What to do with them.
    pub directive: Directive,
    /// How to run them.
    pub spec: ServiceSpec,
}
