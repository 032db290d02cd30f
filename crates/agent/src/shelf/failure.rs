//! Why an artifact is not here, and when it is tried again.

use super::obtain::NotObtained;
use crate::reason::reason;
use std::time::Duration;

/// The pause after a failed try; it doubles every time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest such pause.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often a full disk is looked at again: looking costs one system call, and nobody says when there is room.
const ROOM_LOOK_PERIOD: Duration = Duration::from_secs(3);

/// Why an artifact is not here.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// Bytes that must become free, if that is why; 0 where the disk did not say.
    pub(super) lacking_bytes: Option<u64>,
}

impl Failure {
    pub(super) fn of(error: &NotObtained) -> Self {
        Self {
            reason: reason(error),
            lacking_bytes: error.lacking_bytes(),
        }
    }

    /// How long to wait after this many tries.
    pub(super) fn pause(&self, tries: u32) -> Duration {
        if self.lacking_bytes.is_some() {
            return ROOM_LOOK_PERIOD;
        }
        let doubled = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
        doubled.min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute_and_a_full_disk_is_looked_at_steadily() {
        let mut failure = Failure {
            reason: "broken".to_owned(),
            lacking_bytes: None,
        };
        let seconds = |failure: &Failure| [1, 2, 3, 7, u32::MAX].map(|tries| failure.pause(tries).as_secs());
        assert_eq!(seconds(&failure), [1, 2, 4, 60, 60]);
        failure.lacking_bytes = Some(0);
        assert_eq!(seconds(&failure), [3; 5]);
    }
}
