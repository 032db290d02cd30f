//! Watching a wave before the next: for a time, and for a number of good answers of each host.

use super::{Deployment, after, words};
use crate::region::Region;
use crate::step::Step;
use model::RolloutPolicy;
use model::rollout::Wave;
use std::time::Duration;

/// How long a wave is watched.
fn time(policy: &RolloutPolicy, wave: &Wave) -> Duration {
    Duration::from_secs(wave.bake_seconds.unwrap_or(policy.bake_seconds).into())
}

/// How many good answers in a row each host must have given.
pub(crate) fn observations(policy: &RolloutPolicy, wave: &Wave) -> u32 {
    wave.min_observations.unwrap_or(policy.min_observations)
}

/// Whether a wave is watched at all.
pub(super) fn is_asked(policy: &RolloutPolicy, wave: &Wave) -> bool {
    !time(policy, wave).is_zero() || observations(policy, wave) > 0
}

pub(super) fn bake(deployment: &Deployment<'_>, regions: &[Region]) -> Step {
    let Some(wave) = deployment.waves.get(deployment.wave) else {
        return Step::wait("its waves are not known");
    };
    let (time, name) = (time(deployment.policy, wave), &wave.name);
    if deployment.in_state < time {
        return Step::wait(format!("wave {name} is watched for {} s", time.as_secs()));
    }
    if regions.iter().any(|region| region.unknown > 0) {
        return Step::wait(format!(
            "wave {name} is watched until all are heard of: {}",
            words::unknown(regions)
        ));
    }
    if let Some(silent) = regions
        .iter()
        .find(|region| !region.heard && region.admitted() > 0)
    {
        return Step::wait(format!(
            "wave {name} is watched until {} is heard of",
            silent.name
        ));
    }
    let (watched, observed) = if wave.warm {
        let of_wave = || regions.iter().filter(|region| region.is_in(wave));
        let observed: u64 = of_wave().map(|region| region.warm.observed).sum();
        (of_wave().map(Region::to_warm).sum(), observed)
    } else {
        let observed: u64 = regions.iter().map(|region| region.observed).sum();
        let watched = regions.iter().map(|region| region.activated - decided(region));
        (watched.sum::<u64>(), observed)
    };
    if observed < watched {
        let least = observations(deployment.policy, wave);
        return Step::wait(format!(
            "wave {name} is watched until {watched} hosts are well and have answered {least} times in a row: {observed} have"
        ));
    }
    after(
        deployment,
        format!("wave {name} was watched and all {watched} hosts are well"),
    )
}

/// Hosts of which nothing good is waited for any more.
fn decided(region: &Region) -> u64 {
    (region.failed + region.excused).min(region.activated)
}
