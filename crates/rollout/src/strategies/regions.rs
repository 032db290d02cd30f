//! Region after region, the smallest first: a mistake shows where it costs least.

use crate::Region;
use model::rollout::{WAVES_MAX, Wave};

pub(super) fn waves(regions: &[Region]) -> Vec<Wave> {
    let mut by_size: Vec<&Region> = regions.iter().collect();
    by_size.sort_by_key(|region| (region.hosts(), &region.name));
    let waves = by_size.into_iter().map(|region| Wave {
        regions: vec![region.name.clone()],
        ..Wave::everybody(region.name.as_str())
    });
    // The last place is for whoever is left.
    waves.take(WAVES_MAX - 1).collect()
}
