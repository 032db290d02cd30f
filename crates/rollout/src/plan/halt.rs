//! When a deployment stops before its end.

use super::{Deployment, words};
use crate::region::Region;
use crate::step::{Step, Verdict};
use model::DeploymentState;

/// Stops a deployment of which more hosts failed than its policy allows. A rollback is never stopped by this: there is
/// nothing better to go to.
pub(super) fn too_many_failed(deployment: &Deployment<'_>, regions: &[Region]) -> Option<Step> {
    let failed: u64 = regions.iter().map(Region::failures).sum();
    let hosts: u64 = regions.iter().map(Region::hosts).sum();
    let allowed = deployment.policy.failure_threshold.at_most(hosts);
    if !deployment.is_rollout() || failed <= allowed {
        return None;
    }
    let threshold = deployment.policy.failure_threshold;
    let reason = format!(
        "{failed} of {hosts} hosts failed, and {allowed} may (failure_threshold {threshold}): {}",
        words::failures(regions)
    );
    Some(stop(deployment, regions, reason))
}

/// Ends a deployment whose deadline has passed.
pub(super) fn give_up(deployment: &Deployment<'_>, regions: &[Region], waited_for: &str) -> Step {
    let reason = format!("did not converge before its deadline: {waited_for}");
    let all_well = regions
        .iter()
        .all(|region| region.on_their_way() == 0 && region.failures() == 0);
    if all_well {
        // Who has the release is well; taking it from them would help nobody.
        return Step::enter(DeploymentState::Failed, deployment.wave, reason);
    }
    stop(deployment, regions, reason)
}

fn stop(deployment: &Deployment<'_>, regions: &[Region], reason: String) -> Step {
    let touched = regions.iter().any(|region| region.admitted() > 0);
    let back = deployment.is_rollout() && deployment.policy.auto_rollback && deployment.can_roll_back;
    if back && touched {
        Step::new(Verdict::RollBack, reason)
    } else {
        Step::enter(DeploymentState::Failed, deployment.wave, reason)
    }
}
