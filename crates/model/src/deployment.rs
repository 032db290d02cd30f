//! Releases, deployments, and the small desired state that carries them to a region.

use crate::macros::{uuid_id, word_enum};
use crate::{ArtifactId, Configuration, ServiceName, ServiceSpec};
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
    /// Where a deployment stands. The last five are terminal.
    DeploymentState {
        /// Confirmed, and nothing was checked yet.
        Pending = "PENDING",
        /// Whether it may begin is being looked at: freezes, approvals, the fleet.
        Precheck = "PRECHECK",
        /// The bits are moving to every host; nothing switches.
        Staging = "STAGING",
        /// The hosts of one wave switch to the release.
        Wave = "WAVE",
        /// A wave's hosts are watched before the next.
        Bake = "BAKE",
        /// An engineer holds it; what was told stays told, and failures are still counted.
        Paused = "PAUSED",
        /// It stopped, and the last release that succeeded is on its way back as a release of its own.
        RollingBack = "ROLLING_BACK",
        /// Every host runs the release and is healthy.
        Succeeded = "SUCCEEDED",
        /// It stopped, and the release that had succeeded before is back.
        RolledBack = "ROLLED_BACK",
        /// It stopped; the reason is stored.
        Failed = "FAILED",
        /// Somebody cancelled it.
        Cancelled = "CANCELLED",
        /// A newer deployment of the service took its place.
        Superseded = "SUPERSEDED",
    }
);

impl DeploymentState {
    /// Whether nothing can change this state any more.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::RolledBack | Self::Failed | Self::Cancelled | Self::Superseded
        )
    }

    /// Whether hosts may be moved to the release in this state. One deployment of a service at most is here.
    pub const fn is_in_flight(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Precheck | Self::Staging | Self::Wave | Self::Bake | Self::Paused
        )
    }
}

/// What becomes of a newcomer while another deployment of its service is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenBusy {
    /// It is refused.
    #[default]
    Refuse,
    /// It waits until the other has ended; of two that wait the newer one stays.
    Queue,
    /// It takes the other's place.
    Supersede,
}

word_enum!(
    /// What hosts should do with a release now.
    Directive {
        /// Fetch and verify it; go on running what runs.
        Stage = "STAGE",
        /// Start it beside what runs, and send it no request.
        Warm = "WARM",
        /// Run it.
        Activate = "ACTIVATE",
    }
);

/// What one host should do about one service; its manager makes it of the region's
/// [`RegionService`](crate::RegionService).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredService {
    /// Which service.
    pub service: ServiceName,
    /// Grows with every deployment of the service. Within one, the directive never leaves ACTIVATE again.
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
    /// With which configuration.
    #[serde(default)]
    pub configuration: Configuration,
    /// What to run until the directive is ACTIVATE, if nothing newer runs: the release that succeeded before. Has no
    /// fallback of its own.
    #[serde(default)]
    pub fallback: Option<Box<DesiredService>>,
}
