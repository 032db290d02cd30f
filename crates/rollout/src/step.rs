//! What the planner proposes.

use model::DeploymentState;
use model::deployment::Directive;

/// The next thing to do with a deployment, and why, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait {
        /// What is being waited for.
        reason: String,
    },
    /// Go to the next state.
    Become {
        /// Which.
        state: DeploymentState,
        /// What every region must be told together with it, if anything.
        directive: Option<Directive>,
        /// Why now.
        reason: String,
    },
}

impl Step {
    pub(crate) fn wait(reason: impl Into<String>) -> Self {
        Self::Wait {
            reason: reason.into(),
        }
    }

    pub(crate) fn become_state(state: DeploymentState, reason: impl Into<String>) -> Self {
        // Only activation is an order. Staging was ordered when the deployment was confirmed, and an end
        // leaves every host at what it was told last.
        let directive = (state == DeploymentState::Activating).then_some(Directive::Activate);
        Self::Become {
            state,
            directive,
            reason: reason.into(),
        }
    }
}
