//! A wave that moves nobody: every host of its regions starts the release beside what it runs, and sends it no request.
//!
//! It costs no client anything, so the batch does not hold it back. It ends once all that are alive have the release
//! ready, but for those that failed with it: more of them than the threshold allows end the deployment, before any client
//! has met the release.

use super::wave::{LACKS_WORD, ended, lacks_word, obstacle};
use super::{Deployment, words};
use crate::region::Region;
use crate::step::{Step, Verdict};
use model::rollout::Wave;

pub(super) fn wave(deployment: &Deployment<'_>, wave: &Wave, regions: &[Region]) -> Step {
    let of_wave = || regions.iter().filter(|region| region.is_in(wave));
    let wanted: u64 = of_wave().map(Region::to_warm).sum();
    let ready: u64 = of_wave()
        .map(|region| region.warm.ready.min(region.to_warm()))
        .sum();
    let where_it_is = format!(
        "wave {} of {} ({}): {ready} of {wanted} hosts have it ready, without a request",
        deployment.wave + 1,
        deployment.waves.len(),
        wave.name,
    );
    if ready >= wanted && of_wave().all(|region| region.warms && region.is_open()) {
        return ended(deployment, wave, where_it_is);
    }
    if let Some(stop) = obstacle(deployment, regions) {
        return Step::wait(format!("{where_it_is}; {stop}"));
    }
    let next = of_wave().filter(|region| !region.warms && region.is_open());
    let next: Vec<_> = next.map(|region| region.name.clone()).collect();
    if next.is_empty() {
        return Step::wait(format!("{where_it_is}; {}", words::not_warm(of_wave())));
    }
    if lacks_word(deployment) {
        return Step::wait(format!("{where_it_is}; {LACKS_WORD}"));
    }
    let reason = format!("{where_it_is}; {} more regions start it", next.len());
    Step::new(Verdict::Warm { regions: next }, reason)
}
