//! An instance: one host's place in a service, and what the host says of it.

use crate::macros::word_enum;
use crate::{Epoch, ReleaseNumber, ServiceName};
use serde::{Deserialize, Serialize};

/// The longest reason that a host may report, in bytes.
pub const REASON_LENGTH_MAX: usize = 500;

word_enum!(
    /// Where a task stands, from the host's point of view.
    TaskState {
        /// Told, nothing done yet.
        Pending = "PENDING",
        /// The release's bytes are on their way.
        Fetching = "FETCHING",
        /// Every byte is on the disk and verified; the release waits for its turn.
        Staged = "STAGED",
        /// The process was started and has not answered yet.
        Starting = "STARTING",
        /// It answered, though not yet often enough.
        Running = "RUNNING",
        /// It answers its health check beside another release that serves, and gets no request before its turn.
        Warm = "WARM",
        /// It answers its health check.
        Healthy = "HEALTHY",
        /// It was asked to stop.
        Draining = "DRAINING",
        /// It ended as asked.
        Done = "DONE",
        /// It failed; the reason says how.
        Error = "ERROR",
        /// The host was not heard of for too long.
        Lost = "LOST",
    }
);

word_enum!(
    /// How an instance is. The numbers of the inventory's interface are their places: 0 to 3.
    #[derive(Default)]
    InstanceHealth {
        /// Nothing is known: not started, not asked yet, or not heard of.
        #[default]
        Unknown = "UNKNOWN",
        /// It answers well.
        Healthy = "HEALTHY",
        /// It answers, though not well enough or not often enough.
        Degraded = "DEGRADED",
        /// It does not run, or answers badly.
        Failed = "FAILED",
    }
);

/// The last of 1, 2, 5, 10, 20, 50 … that `count` has passed; 0 before the first.
pub fn observations(count: u32) -> u32 {
    let mut passed = 0;
    for scale in (0..=9).map(|power| 10_u32.pow(power)) {
        for step in [1, 2, 5].into_iter().filter_map(|step| scale.checked_mul(step)) {
            if step <= count {
                passed = step;
            }
        }
    }
    passed
}

/// What one host says of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Which service.
    pub service: ServiceName,
    /// The newest desired state that this host has seen.
    pub epoch: Epoch,
    /// The release that this host should have.
    pub desired_release: ReleaseNumber,
    /// The release whose process runs, if any.
    pub running_release: Option<ReleaseNumber>,
    /// The release that this host was told to run last, whether or not its process is up.
    #[serde(default)]
    pub active_release: Option<ReleaseNumber>,
    /// The release that this host was told to keep warm beside that one, whether or not its process is up.
    #[serde(default)]
    pub warm_release: Option<ReleaseNumber>,
    /// How far the desired release has come on this host.
    pub state: TaskState,
    /// How the process that runs is, whatever its release.
    #[serde(default)]
    pub health: InstanceHealth,
    /// How many good answers in a row it has given, or the one that is WARM: exact up to 2, then the last of 5, 10, 20,
    /// 50, 100 … that was passed, so that a report is seldom news for this alone.
    #[serde(default)]
    pub observations: u32,
    /// The port on which the running process was told to listen.
    pub port: Option<u16>,
    /// How the bytes came.
    pub transfer: Transfer,
    /// Why the state is ERROR, or what is being waited for. At most [`REASON_LENGTH_MAX`] bytes.
    pub reason: Option<String>,
}

/// Verified bytes of one artifact on one host, by where they came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transfer {
    /// The artifact's length; 0 until the manifest is known.
    pub total_bytes: u64,
    /// From the region's replication manager.
    pub seed_bytes: u64,
    /// From other hosts.
    pub peer_bytes: u64,
    /// From the region's object store directly.
    pub store_bytes: u64,
    /// Found on this disk already, and verified.
    pub local_bytes: u64,
    /// Received and thrown away, because the hash was wrong or the piece had come meanwhile.
    pub wasted_bytes: u64,
    /// From the first wish to the last verified byte, in milliseconds; 0 until then.
    pub elapsed_ms: u64,
}

impl Transfer {
    /// All verified bytes.
    pub const fn verified_bytes(&self) -> u64 {
        self.seed_bytes + self.peer_bytes + self.store_bytes + self.local_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_told_in_steps() {
        let told: Vec<u32> = [0, 1, 2, 3, 4, 5, 9, 10, 19, 20, 49, 50, 99, 100, u32::MAX]
            .map(observations)
            .to_vec();
        let expected = [0, 1, 2, 2, 2, 5, 5, 10, 10, 20, 20, 50, 50, 100, 2_000_000_000];
        assert_eq!(told, expected);
    }
}
