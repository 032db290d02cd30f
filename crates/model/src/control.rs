//! What an operator may do to a region's distributions: limit them, hold them, end them, prefer one.

use crate::macros::word_enum;
use crate::{ArtifactId, Epoch};
use serde::{Deserialize, Serialize};

/// The most distributions of one region that are held, aborted or preferred at a time; no region has more.
pub const CONTROLS_MAX: usize = crate::host::SERVICES_MAX;
/// The lowest limit, in bytes a second. Eight pieces of 8 MiB may be on their way to a host at once; at this rate they
/// take half a minute together, and a source gives up after one.
pub const LIMIT_MIN: u64 = 2 << 20;

/// How fast one host may exchange pieces. What is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// To other hosts, in bytes a second.
    pub upload_bytes_per_s: Option<u64>,
    /// From wherever, in bytes a second.
    pub download_bytes_per_s: Option<u64>,
}

/// A limit under which nothing would come to an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a limit of {bytes_per_s} bytes a second is too low: the least is {LIMIT_MIN}")]
pub struct LimitTooLow {
    /// What was given.
    pub bytes_per_s: u64,
}

impl Limits {
    /// Refuses limits under which nothing would come to an end.
    pub fn validate(&self) -> Result<(), LimitTooLow> {
        let given = [self.upload_bytes_per_s, self.download_bytes_per_s];
        match given.into_iter().flatten().find(|limit| *limit < LIMIT_MIN) {
            Some(bytes_per_s) => Err(LimitTooLow { bytes_per_s }),
            None => Ok(()),
        }
    }

    /// Of two sets of limits, the lower of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let lower = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            upload_bytes_per_s: lower(self.upload_bytes_per_s, other.upload_bytes_per_s),
            download_bytes_per_s: lower(self.download_bytes_per_s, other.download_bytes_per_s),
        }
    }
}

word_enum!(
    /// What hosts shall do about one distribution.
    Hold {
        /// Fetch it.
        None = "NONE",
        /// Keep what is here and fetch no more.
        Paused = "PAUSED",
        /// Stop fetching it and delete what came of it. What is here whole, and what runs, stays.
        Aborted = "ABORTED",
    }
);

/// One distribution that an operator said something about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistributionControl {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// What hosts shall do about it.
    pub hold: Hold,
    /// Above 0 if it is preferred; the largest is preferred most.
    pub preference: i64,
}

/// All that a region's operators said: the value of a single etcd key, and a part of every host's orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionControls {
    /// Grows with every change of this value; a receiver refuses a smaller one. 0 before the first.
    pub epoch: Epoch,
    /// For every host of the region.
    pub limits: Limits,
    /// At most [`CONTROLS_MAX`].
    pub distributions: Vec<DistributionControl>,
}

impl Default for RegionControls {
    fn default() -> Self {
        Self {
            epoch: Epoch(0),
            limits: Limits::default(),
            distributions: Vec::new(),
        }
    }
}

impl RegionControls {
    /// What was said about an artifact.
    pub fn of(&self, artifact: &ArtifactId) -> (Hold, i64) {
        self.distributions
            .iter()
            .find(|control| control.artifact == *artifact)
            .map_or((Hold::None, 0), |control| (control.hold, control.preference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_limit_wins_and_none_is_no_limit() {
        let limits = |upload_bytes_per_s, download_bytes_per_s| Limits {
            upload_bytes_per_s,
            download_bytes_per_s,
        };
        let both = limits(Some(5), None).and(limits(Some(3), Some(9)));
        assert_eq!(both, limits(Some(3), Some(9)));
        assert_eq!(limits(None, None).and(Limits::default()), Limits::default());
    }

    #[test]
    fn a_limit_under_which_nothing_ends_is_refused() {
        let limits = |download_bytes_per_s| Limits {
            upload_bytes_per_s: None,
            download_bytes_per_s,
        };
        assert!(limits(Some(LIMIT_MIN)).validate().is_ok());
        assert!(limits(None).validate().is_ok());
        assert!(limits(Some(0)).validate().is_err());
    }
}
