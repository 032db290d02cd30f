//! From confirmed to the first wave.

use super::{Deployment, words};
use crate::region::Region;
use crate::step::Step;
use model::{DeploymentState, Share};
use std::time::Duration;

pub(super) fn pending(deployment: &Deployment<'_>, regions: &[Region]) -> Step {
    let told = regions.iter().filter(|region| region.told).count();
    if told == 0 {
        return Step::wait("no region holds a verified replica and was told yet");
    }
    let reason = format!("{told} of {} regions were told", regions.len());
    if deployment.is_rollout() {
        Step::enter(DeploymentState::Precheck, 0, reason)
    } else {
        // The bytes ran before, so they are there; a host that lost them activates once it has them again.
        Step::enter(DeploymentState::Wave, 0, reason)
    }
}

/// Whether it may begin at all.
pub(super) fn precheck(deployment: &Deployment<'_>, regions: &[Region]) -> Step {
    if let Some(hold) = deployment.hold {
        return Step::wait(hold);
    }
    let hosts: u64 = regions.iter().map(Region::hosts).sum();
    if hosts == 0 {
        return Step::wait(format!(
            "no host that this is for was heard of yet: {}",
            words::missing(regions)
        ));
    }
    if let Share::Count(allowed) = deployment.policy.failure_threshold
        && u64::from(allowed) > hosts
    {
        let reason = format!(
            "failure_threshold is {allowed} and there are {hosts} hosts, so nothing could stop it: give fewer, or \"100%\""
        );
        return Step::enter(DeploymentState::Failed, 0, reason);
    }
    Step::enter(
        DeploymentState::Staging,
        0,
        format!("it may begin: {hosts} hosts are there"),
    )
}

pub(super) fn staging(deployment: &Deployment<'_>, regions: &[Region]) -> Step {
    let hosts: u64 = regions.iter().map(Region::hosts).sum();
    let whole = |region: &Region| region.is_open() && region.staged >= region.hosts();
    if hosts > 0 && regions.iter().all(whole) {
        return Step::enter(
            DeploymentState::Wave,
            0,
            format!("all {hosts} hosts have staged the release"),
        );
    }
    let missing = words::shortfall(regions, |region| region.staged, "staged");
    let limit = Duration::from_secs(deployment.policy.staging_limit_seconds.into());
    if deployment.in_state < limit {
        return Step::wait(format!("staging: {missing}"));
    }
    if regions.iter().all(|region| region.staged == 0) {
        return Step::enter(
            DeploymentState::Failed,
            0,
            format!("no host staged the release in time: {missing}"),
        );
    }
    Step::enter(
        DeploymentState::Wave,
        0,
        format!("beginning without waiting any longer: {missing}"),
    )
}
