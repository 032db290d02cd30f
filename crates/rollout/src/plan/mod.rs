//! The rules, one file a part of a deployment's life.

mod bake;
mod halt;
mod staging;
mod warm;
mod wave;
mod words;

use crate::region::Region;
use crate::step::Step;
use model::rollout::Wave;
use model::{DeploymentState, RolloutPolicy};
use std::time::Duration;

/// What a deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A release that is new to its hosts.
    Rollout,
    /// One that ran before, brought back: nothing holds it up.
    Rollback,
}

/// A deployment as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Where it stands.
    pub state: DeploymentState,
    /// The wave that it is in, counted from 0.
    pub wave: usize,
    /// Its waves, as [`waves`](crate::waves()) made them.
    pub waves: &'a [Wave],
    /// What its engineer decided.
    pub policy: &'a RolloutPolicy,
    /// How long it has been in its state.
    pub in_state: Duration,
    /// Whether its deadline has passed.
    pub overdue: bool,
    /// Whether an engineer has said a word for the next step; asked of manual policies only.
    pub may_step: bool,
    /// What forbids to expand it now, such as a freeze.
    pub hold: Option<&'a str>,
    /// Whether a release is known that it could be rolled back to.
    pub can_roll_back: bool,
}

impl Deployment<'_> {
    fn is_rollout(&self) -> bool {
        self.kind == Kind::Rollout
    }
}

/// Proposes what to do with a deployment now.
pub fn plan(deployment: &Deployment<'_>, regions: &[Region]) -> Step {
    if !deployment.state.is_in_flight() {
        return Step::wait("the deployment has ended");
    }
    if let Some(stop) = halt::too_many_failed(deployment, regions) {
        return stop;
    }
    let step = match deployment.state {
        DeploymentState::Pending => staging::pending(deployment, regions),
        DeploymentState::Precheck => staging::precheck(deployment, regions),
        DeploymentState::Staging => staging::staging(deployment, regions),
        DeploymentState::Wave => wave::wave(deployment, regions),
        DeploymentState::Bake => bake::bake(deployment, regions),
        _ => Step::wait("paused until an engineer resumes it"),
    };
    // What ends well in this very moment does not end late.
    if deployment.overdue && !ends(&step) {
        return halt::give_up(deployment, regions, &step.reason);
    }
    step
}

fn ends(step: &Step) -> bool {
    matches!(&step.verdict, crate::Verdict::Become { state, .. } if state.is_terminal())
}

/// What comes after a wave: the next, or the end.
fn after(deployment: &Deployment<'_>, reason: String) -> Step {
    let next = deployment.wave + 1;
    if next < deployment.waves.len() {
        Step::enter(DeploymentState::Wave, next, reason)
    } else {
        Step::enter(DeploymentState::Succeeded, deployment.wave, reason)
    }
}
