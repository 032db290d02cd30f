//! Growing shares of the fleet.

use model::RolloutPolicy;
use model::rollout::Wave;

pub(super) fn waves(policy: &RolloutPolicy) -> Vec<Wave> {
    let wave = |share: &model::Share| Wave {
        hosts: *share,
        ..Wave::everybody(share.to_string())
    };
    policy.steps.iter().map(wave).collect()
}
