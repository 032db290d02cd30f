//! A build: one request to turn a target at a commit into an artifact.

use crate::macros::{uuid_id, word_enum};
use serde::{Deserialize, Serialize};

uuid_id!(
    /// One build. Its row in the queue is a job.
    BuildId
);

/// Names one claim of one build. Minted from a sequence, so a later claim always has a larger one;
/// every write of a worker carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

impl std::fmt::Display for LeaseId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How often a build was claimed, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub i32);

word_enum!(
    /// Where a build stands. The last three are terminal: a build reaches exactly one and stays.
    BuildState {
        /// Waits for a worker.
        Queued = "QUEUED",
        /// A worker holds its lease.
        Running = "RUNNING",
        /// Its artifact is published, or its test has passed.
        Succeeded = "SUCCEEDED",
        /// It ended without an artifact, and the reason is stored.
        Failed = "FAILED",
        /// Somebody cancelled it.
        Cancelled = "CANCELLED",
    }
);

impl BuildState {
    /// Whether nothing can change this state any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a build may go from this state to `next` in one step. RUNNING → QUEUED is the
    /// reaper's step, when a worker was lost.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Queued, Self::Running | Self::Failed | Self::Cancelled)
                | (
                    Self::Running,
                    Self::Queued | Self::Succeeded | Self::Failed | Self::Cancelled
                )
        )
    }
}

word_enum!(
    /// A worker's steps through one attempt, in order.
    Phase {
        /// The mirror is brought up to date and the commit is laid out.
        Checkout = "CHECKOUT",
        /// The target's command runs.
        Build = "BUILD",
        /// The outputs are hashed and uploaded.
        Upload = "UPLOAD",
        /// The manifest is stored and the result is recorded.
        Publish = "PUBLISH",
    }
);

word_enum!(
    /// How soon a build's turn comes, against that of others.
    #[derive(Default)]
    Priority {
        /// When nobody else needs the workers.
        Low = "LOW",
        /// As everybody's.
        #[default]
        Normal = "NORMAL",
        /// Ahead of what is usual.
        High = "HIGH",
        /// Ahead of everything that is not.
        Urgent = "URGENT",
    }
);

impl Priority {
    /// How many turns of each repository a step of priority passes over.
    const TURNS_A_STEP: i64 = 12;

    /// By how many turns such a build comes before a normal one that is asked for at the same time: it
    /// passes over so many builds of every repository, and over no more, so that nothing waits for ever.
    pub const fn turns_ahead(self) -> i64 {
        match self {
            Self::Low => -Self::TURNS_A_STEP,
            Self::Normal => 0,
            Self::High => Self::TURNS_A_STEP,
            Self::Urgent => 2 * Self::TURNS_A_STEP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_state_is_never_left() {
        for &state in BuildState::ALL {
            for &next in BuildState::ALL {
                assert!(
                    !(state.is_terminal() && state.may_become(next)),
                    "{state} → {next}"
                );
            }
        }
    }
}
