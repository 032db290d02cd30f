//! Zone after zone, in one region after the other, the smallest region first.

use super::regions;
use crate::Region;
use model::rollout::{WAVES_MAX, Wave};

pub(super) fn waves(all: &[Region]) -> Vec<Wave> {
    let zones = regions::waves(all).into_iter().flat_map(|wave| {
        let here = all.iter().filter(move |region| region.is_in(&wave));
        here.flat_map(|region| {
            region.zones.keys().map(|zone| Wave {
                regions: vec![region.name.clone()],
                zones: vec![zone.clone()],
                ..Wave::everybody(format!("{} {zone}", region.name))
            })
        })
    });
    zones.take(WAVES_MAX - 1).collect()
}
