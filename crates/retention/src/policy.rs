//! What an operator decides.

use model::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const DAY_SECONDS: u64 = 24 * 3_600;

/// How much is kept beyond what is needed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How many artifacts of each target are kept, the newest first.
    pub newest_artifacts: u32,
    /// How long every artifact is kept after it was last built, in days.
    pub keep_days: u32,
    /// To which releases a service may be rolled back.
    pub rollbacks: Rollbacks,
    /// The same for services that differ.
    pub services: BTreeMap<ServiceName, ServiceRollbacks>,
}

/// Which succeeded releases of a service may be rolled back to: whatever one of the two keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rollbacks {
    /// The last so many, the present one among them. At least 2 are kept, so that there is a way back, and at
    /// most [`Policy::RELEASES_MAX`].
    pub releases: u32,
    /// Those that succeeded within so many days, of the last [`Policy::RELEASES_MAX`].
    pub days: u32,
}

/// What one service says of its own. What it leaves out is as it is for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRollbacks {
    /// [`Rollbacks::releases`] of this service.
    pub releases: Option<u32>,
    /// [`Rollbacks::days`] of this service.
    pub days: Option<u32>,
}

impl Policy {
    /// The most releases of a service that are kept for a rollback.
    pub const RELEASES_MAX: u32 = 100;

    /// How long every artifact is kept.
    pub const fn keep_for(&self) -> Duration {
        days(self.keep_days)
    }

    /// To which releases of a service it may be rolled back.
    pub fn rollbacks_of(&self, service: &ServiceName) -> Rollbacks {
        let own = self.services.get(service).copied().unwrap_or_default();
        let releases = own.releases.unwrap_or(self.rollbacks.releases);
        Rollbacks {
            releases: releases.clamp(2, Self::RELEASES_MAX),
            days: own.days.unwrap_or(self.rollbacks.days),
        }
    }
}

impl Rollbacks {
    /// How long a release is kept after it succeeded.
    pub const fn keep_for(&self) -> Duration {
        days(self.days)
    }
}

const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * DAY_SECONDS)
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            newest_artifacts: 10,
            keep_days: 14,
            rollbacks: Rollbacks::default(),
            services: BTreeMap::new(),
        }
    }
}

impl Default for Rollbacks {
    fn default() -> Self {
        Self {
            releases: 5,
            days: 30,
        }
    }
}
