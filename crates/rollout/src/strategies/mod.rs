//! From a policy and a fleet to waves. Each strategy is a file; a new one is a file, a word of
//! [`Strategy`](model::rollout::Strategy), and a line here.

mod all_at_once;
mod blue_green;
mod canary;
mod percentage;
mod regions;
mod rolling;
mod zones;

use crate::Region;
use model::RolloutPolicy;
use model::rollout::{Strategy, Wave};

/// The waves by which a policy moves a fleet. The last one is about everybody everywhere, so that a deployment whose
/// waves forgot somebody still converges.
pub fn waves(policy: &RolloutPolicy, regions: &[Region]) -> Vec<Wave> {
    let mut waves = match policy.strategy {
        Strategy::AllAtOnce => all_at_once::waves(),
        Strategy::Rolling => rolling::waves(),
        Strategy::Percentage => percentage::waves(policy),
        Strategy::Canary => canary::waves(),
        Strategy::Regions => regions::waves(regions),
        Strategy::Zones => zones::waves(regions),
        Strategy::BlueGreen => blue_green::waves(),
        Strategy::Waves => policy.waves.clone(),
    };
    let whole = |wave: &Wave| {
        wave.regions.is_empty()
            && wave.zones.is_empty()
            && !wave.warm
            && wave.hosts.up_to(u64::from(u32::MAX)) == u64::from(u32::MAX)
    };
    if !waves.last().is_some_and(whole) {
        waves.push(Wave {
            bake_seconds: Some(0),
            min_observations: Some(0),
            ..Wave::everybody("the rest")
        });
    }
    waves
}
