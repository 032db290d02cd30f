//! What the planner proposes.

use model::rollout::Order;
use model::{Cursor, DeploymentState, RegionName};

/// The next thing to do with a deployment, and why, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub verdict: Verdict,
    /// Why, or what is being waited for.
    pub reason: String,
}

/// What to do with a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Wait,
    /// Give more hosts their turn.
    Move {
        /// The new cursor of each region whose cursor moves. None moves back.
        cursors: Vec<(RegionName, Cursor)>,
    },
    /// Have the hosts of these regions whose turn has not come start the release beside what they run.
    Warm {
        /// Regions that were not asked to yet.
        regions: Vec<RegionName>,
    },
    /// Go to another state; to `wave`, counted from 0.
    Become {
        /// Which state.
        state: DeploymentState,
        /// The wave that it is in from now on.
        wave: usize,
    },
    /// Stop, and bring the last release that succeeded back as a release of its own.
    RollBack,
}

impl Step {
    pub(crate) fn wait(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Wait, reason)
    }

    pub(crate) fn enter(state: DeploymentState, wave: usize, reason: impl Into<String>) -> Self {
        Self::new(Verdict::Become { state, wave }, reason)
    }

    pub(crate) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            reason: reason.into(),
        }
    }

    /// Whether this changes anything.
    pub fn is_wait(&self) -> bool {
        self.verdict == Verdict::Wait
    }
}

/// The cursor at so many hosts.
pub(crate) fn cursor(order: Order, hosts: u64) -> Cursor {
    Cursor {
        order,
        hosts: (hosts < u64::MAX).then_some(hosts),
    }
}
