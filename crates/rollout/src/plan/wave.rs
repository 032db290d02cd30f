//! One wave: a window that slides until as many hosts have the release as the wave asks.

use super::{Deployment, after, bake, warm, words};
use crate::count::spread;
use crate::region::Region;
use crate::step::{Step, Verdict, cursor};
use model::DeploymentState;
use model::rollout::Wave;

pub(super) fn wave(deployment: &Deployment<'_>, regions: &[Region]) -> Step {
    let Some(wave) = deployment.waves.get(deployment.wave) else {
        return Step::wait("its waves are not known");
    };
    if wave.warm {
        return warm::wave(deployment, wave, regions);
    }
    let ground = Ground::of(wave, regions);
    let on_their_way: u64 = regions.iter().map(Region::on_their_way).sum();
    let where_it_is = format!(
        "wave {} of {} ({}): {} of {} hosts have it, {on_their_way} on their way",
        deployment.wave + 1,
        deployment.waves.len(),
        wave.name,
        ground.done.min(ground.goal),
        ground.goal,
    );
    if ground.wanted == 0 && on_their_way == 0 {
        return match unseen(wave, regions) {
            Some(missing) => Step::wait(format!("{where_it_is}; {missing}")),
            None => ended(deployment, wave, where_it_is),
        };
    }
    if let Some(stop) = obstacle(deployment, regions) {
        return Step::wait(format!("{where_it_is}; {stop}"));
    }
    let fleet: u64 = regions.iter().map(Region::hosts).sum();
    let batch = wave
        .batch_size
        .unwrap_or(deployment.policy.batch_size)
        .up_to(fleet);
    let free = batch.saturating_sub(on_their_way).min(ground.wanted);
    if free == 0 {
        return Step::wait(format!("{where_it_is}; {}", words::on_their_way(regions)));
    }
    let open: Vec<u64> = regions
        .iter()
        .zip(&ground.lacking)
        .map(|(region, lacking)| {
            if deployment.is_rollout() && !region.is_open() {
                0
            } else {
                *lacking
            }
        })
        .collect();
    if open.iter().sum::<u64>() == 0 {
        return Step::wait(format!("{where_it_is}; {}", words::missing(regions)));
    }
    if lacks_word(deployment) {
        return Step::wait(format!("{where_it_is}; {LACKS_WORD}"));
    }
    give(deployment, regions, &spread(free, &open), where_it_is)
}

pub(super) const LACKS_WORD: &str = "the next step waits for an engineer's word";

/// Whether an engineer has to allow the next step first.
pub(super) fn lacks_word(deployment: &Deployment<'_>) -> bool {
    deployment.policy.manual && !deployment.may_step && deployment.is_rollout()
}

/// Gives so many more hosts of each region their turn.
fn give(deployment: &Deployment<'_>, regions: &[Region], more: &[u64], where_it_is: String) -> Step {
    let order = Region::order(deployment.waves);
    let moved = regions.iter().zip(more).filter(|(_, more)| **more > 0);
    let cursors = moved
        .map(|(region, more)| (region.name.clone(), cursor(order, region.admitted() + more)))
        .collect();
    let count: u64 = more.iter().sum();
    Step::new(
        Verdict::Move { cursors },
        format!("{where_it_is}; {count} more have their turn"),
    )
}

/// What forbids to expand although there is room.
pub(super) fn obstacle(deployment: &Deployment<'_>, regions: &[Region]) -> Option<String> {
    if !deployment.is_rollout() {
        return None;
    }
    if let Some(hold) = deployment.hold {
        return Some(hold.to_owned());
    }
    let unknown: u64 = regions.iter().map(|region| region.unknown).sum();
    if unknown > 0 {
        return Some(format!(
            "nothing more is moved while {unknown} hosts that have it are not heard of: {}",
            words::unknown(regions)
        ));
    }
    let silent = regions
        .iter()
        .find(|region| !region.heard && region.admitted() > 0);
    silent.map(|region| format!("nothing more is moved while {} is silent", region.name))
}

/// Regions of the wave whose hosts nobody can count, so that nobody knows whether all have the release.
fn unseen(wave: &Wave, regions: &[Region]) -> Option<String> {
    let mut of_wave = regions.iter().filter(|region| region.is_in(wave));
    of_wave
        .any(|region| !region.is_open())
        .then(|| words::missing(regions))
}

pub(super) fn ended(deployment: &Deployment<'_>, wave: &Wave, where_it_is: String) -> Step {
    if deployment.is_rollout() && bake::is_asked(deployment.policy, wave) {
        Step::enter(DeploymentState::Bake, deployment.wave, where_it_is)
    } else {
        after(deployment, where_it_is)
    }
}

/// What a wave is to reach, and how far it is from it.
struct Ground {
    /// Hosts that shall have the release after it.
    goal: u64,
    /// Those of them that have their turn.
    done: u64,
    /// Those that lack it.
    wanted: u64,
    /// Where they are, a number a region; at least as many.
    lacking: Vec<u64>,
}

impl Ground {
    fn of(wave: &Wave, regions: &[Region]) -> Self {
        let spans: Vec<(u64, u64)> = regions
            .iter()
            .map(|region| {
                if region.is_in(wave) {
                    region.span(wave)
                } else {
                    (0, 0)
                }
            })
            .collect();
        let inside: Vec<u64> = spans.iter().map(|(_, inside)| *inside).collect();
        let has: Vec<u64> = regions
            .iter()
            .zip(&spans)
            .map(|(region, (before, inside))| region.admitted().saturating_sub(*before).min(*inside))
            .collect();
        let goal = wave.hosts.up_to(inside.iter().sum());
        let done: u64 = has.iter().sum();
        let shares = spread(goal, &inside);
        let lacking = shares
            .iter()
            .zip(&has)
            .map(|(share, has)| share.saturating_sub(*has));
        Self {
            goal,
            done,
            wanted: goal.saturating_sub(done),
            lacking: lacking.collect(),
        }
    }
}
