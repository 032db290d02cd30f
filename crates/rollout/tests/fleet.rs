//! The planner against a fleet that is played: hosts take orders late, fail, vanish and come back, as a seeded schedule
//! says. Whatever happens, the invariants of the design hold.

#![allow(clippy::unwrap_used)]

use model::rollout::{Strategy as Waves, Wave};
use model::{Cursor, DeploymentState, RegionName, RolloutPolicy, Share, ZoneName};
use proptest::prelude::*;
use rollout::{Deployment, Kind, Region, Verdict, plan, waves};
use std::collections::BTreeMap;
use std::time::Duration;

/// How one host takes the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    Fails,
    Vanishes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Old,
    Starting,
    Healthy,
    Failed,
    /// Not heard of, for so many passes.
    Gone(u32),
}

#[derive(Debug, Clone)]
struct Host {
    zone: ZoneName,
    fate: Fate,
    standing: Standing,
}

struct Place {
    name: RegionName,
    hosts: Vec<Host>,
    cursor: u64,
    told: u64,
}

/// After so many passes without a word a host counts as failed.
const UNKNOWN_PASSES: u32 = 6;

impl Place {
    fn admitted(&self) -> usize {
        self.hosts
            .iter()
            .filter(|host| host.standing != Standing::Old)
            .count()
    }

    /// One look of the region's manager: whose turn it is takes the order.
    fn admit(&mut self, order_by_zone: bool) {
        let free = self.told.saturating_sub(self.admitted() as u64);
        let mut next: Vec<usize> = (0..self.hosts.len())
            .filter(|index| self.hosts[*index].standing == Standing::Old)
            .collect();
        if order_by_zone {
            next.sort_by_key(|index| self.hosts[*index].zone.clone());
        }
        let count = usize::try_from(free).unwrap_or(usize::MAX);
        for index in next.into_iter().take(count) {
            self.hosts[index].standing = Standing::Starting;
        }
    }

    /// Time passes for a host.
    fn age(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.standing = match (host.standing, host.fate) {
            (Standing::Starting, Fate::Well) => Standing::Healthy,
            (Standing::Starting, Fate::Fails) => Standing::Failed,
            (Standing::Starting, Fate::Vanishes) => Standing::Gone(0),
            (standing, _) => standing,
        };
    }

    fn view(&self) -> Region {
        let count = |wanted: fn(&Standing) -> bool| {
            self.hosts.iter().filter(|host| wanted(&host.standing)).count() as u64
        };
        let mut zones = BTreeMap::new();
        for host in &self.hosts {
            *zones.entry(host.zone.clone()).or_default() += 1;
        }
        let healthy = count(|standing| *standing == Standing::Healthy);
        Region {
            name: self.name.clone(),
            told: self.told == self.cursor,
            heard: true,
            cursor: self.cursor,
            zones,
            staged: self.hosts.len() as u64,
            activated: count(|standing| *standing != Standing::Old),
            settled: healthy,
            observed: healthy,
            failed: count(|standing| {
                *standing == Standing::Failed
                    || matches!(standing, Standing::Gone(passes) if *passes >= UNKNOWN_PASSES)
            }),
            excused: 0,
            unknown: count(|standing| matches!(standing, Standing::Gone(passes) if *passes < UNKNOWN_PASSES)),
            error: None,
        }
    }
}

/// What one run of a deployment came to.
#[derive(Debug)]
struct End {
    state: DeploymentState,
    rolled_back: bool,
    /// The most hosts on their way at once, and the most that were not well.
    under_way_max: u64,
    unwell_max: u64,
}

fn run(policy: &RolloutPolicy, places: &mut [Place], mut luck: impl FnMut() -> u32) -> End {
    let fleet: u64 = places.iter().map(|place| place.hosts.len() as u64).sum();
    let all: Vec<Region> = places.iter().map(Place::view).collect();
    let waves: Vec<Wave> = waves(policy, &all);
    let by_zone = waves.iter().any(|wave| !wave.zones.is_empty());
    let (mut state, mut wave, mut in_state) = (DeploymentState::Pending, 0, 0_u64);
    let mut end = End {
        state,
        rolled_back: false,
        under_way_max: 0,
        unwell_max: 0,
    };
    for pass in 0..20 * fleet + 400 {
        let regions: Vec<Region> = places.iter().map(Place::view).collect();
        let deployment = Deployment {
            kind: Kind::Rollout,
            state,
            wave,
            waves: &waves,
            policy,
            in_state: Duration::from_secs(in_state),
            overdue: pass > 15 * fleet + 300,
            may_step: true,
            hold: None,
            can_roll_back: true,
        };
        in_state += 1;
        match plan(&deployment, &regions).verdict {
            Verdict::Wait => {}
            Verdict::Move { cursors } => advance(places, cursors),
            Verdict::Become {
                state: next,
                wave: at,
            } => {
                (state, wave, in_state) = (next, at, 0);
            }
            Verdict::RollBack => {
                end.rolled_back = true;
                state = DeploymentState::RollingBack;
            }
        }
        if !state.is_in_flight() {
            break;
        }
        pass_time(places, by_zone, &mut luck);
        let count = |wanted: fn(&Standing) -> bool| {
            let hosts = places.iter().flat_map(|place| &place.hosts);
            hosts.filter(|host| wanted(&host.standing)).count() as u64
        };
        end.under_way_max = end
            .under_way_max
            .max(count(|standing| *standing == Standing::Starting));
        end.unwell_max = end.unwell_max.max(count(|standing| {
            !matches!(standing, Standing::Old | Standing::Healthy)
        }));
    }
    end.state = state;
    end
}

/// Orders arrive or not, and hosts get on, fail, vanish and come back.
fn pass_time(places: &mut [Place], by_zone: bool, luck: &mut impl FnMut() -> u32) {
    for place in places {
        // A region may be told late.
        if !luck().is_multiple_of(3) {
            place.told = place.cursor;
        }
        place.admit(by_zone);
        for index in 0..place.hosts.len() {
            if let Standing::Gone(passes) = &mut place.hosts[index].standing {
                *passes += 1;
                // Some come back with the release.
                if luck().is_multiple_of(8) {
                    place.hosts[index].standing = Standing::Healthy;
                }
            } else if luck().is_multiple_of(2) {
                place.age(index);
            }
        }
    }
}

fn advance(places: &mut [Place], cursors: Vec<(RegionName, Cursor)>) {
    for (name, cursor) in cursors {
        let place = places.iter_mut().find(|place| place.name == name).unwrap();
        let next = cursor.hosts.unwrap_or(u64::MAX);
        assert!(next > place.cursor, "a cursor never goes back");
        place.cursor = next;
    }
}

fn places(sizes: &[usize], mut fate: impl FnMut(usize) -> Fate) -> Vec<Place> {
    let mut number = 0;
    let regions = sizes.iter().enumerate().map(|(region, size)| Place {
        name: format!("region-{region}").parse().unwrap(),
        hosts: (0..*size)
            .map(|host| {
                number += 1;
                Host {
                    zone: format!("zone-{}", host % 3).parse().unwrap(),
                    fate: fate(number - 1),
                    standing: Standing::Old,
                }
            })
            .collect(),
        cursor: 0,
        told: 0,
    });
    regions.collect()
}

/// A small generator (xorshift, Marsaglia 2003), so that a schedule is one number.
fn generator(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    }
}

fn strategy() -> impl Strategy<Value = Waves> {
    prop::sample::select(
        Waves::ALL
            .into_iter()
            .filter(|strategy| *strategy != Waves::Waves)
            .collect::<Vec<_>>(),
    )
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![
        (1..8_u32).prop_map(Share::Count),
        (1..60_u32).prop_map(Share::percent)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_deployment_converges_or_halts_and_unhealthy_hosts_never_exceed_the_threshold_and_one_batch(
        sizes in prop::collection::vec(0..14_usize, 1..5),
        strategy in strategy(),
        batch_size in share(),
        failure_threshold in prop_oneof![Just(Share::Count(0)), share()],
        bad in 0..100_u32,
        seed in any::<u64>(),
    ) {
        let policy = RolloutPolicy { strategy, batch_size, failure_threshold, ..RolloutPolicy::default() };
        let mut luck = generator(seed);
        let mut places = places(&sizes, |_| match luck() % 100 {
            roll if roll < bad / 2 => Fate::Fails,
            roll if roll < bad * 3 / 4 => Fate::Vanishes,
            _ => Fate::Well,
        });
        let fleet: u64 = sizes.iter().map(|size| *size as u64).sum();
        let end = run(&policy, &mut places, luck);
        prop_assert!(!end.state.is_in_flight(), "it neither converged nor halted: {end:?}");
        let batch = if strategy == Waves::AllAtOnce { fleet } else { batch_size.up_to(fleet) };
        prop_assert!(end.under_way_max <= batch, "{} of {batch} on their way", end.under_way_max);
        let allowed = failure_threshold.at_most(fleet) + batch;
        prop_assert!(end.unwell_max <= allowed, "{} unwell, {allowed} allowed", end.unwell_max);
        if end.state == DeploymentState::Succeeded {
            let hosts = places.iter().flat_map(|place| &place.hosts);
            let unwell = hosts.filter(|host| host.standing != Standing::Healthy).count() as u64;
            prop_assert!(unwell <= failure_threshold.at_most(fleet), "{unwell}");
        }
    }

    #[test]
    fn a_fleet_that_is_well_is_moved_to_the_last_host_with_exactly_a_batch_on_its_way(
        sizes in prop::collection::vec(1..20_usize, 1..4),
        strategy in strategy(),
        batch_size in share(),
        seed in any::<u64>(),
    ) {
        let policy = RolloutPolicy { strategy, batch_size, ..RolloutPolicy::default() };
        let mut places = places(&sizes, |_| Fate::Well);
        let end = run(&policy, &mut places, generator(seed));
        prop_assert_eq!(end.state, DeploymentState::Succeeded);
        if strategy == Waves::Rolling {
            let fleet: u64 = sizes.iter().map(|size| *size as u64).sum();
            prop_assert!(end.under_way_max <= batch_size.up_to(fleet));
        }
    }
}

#[test]
fn exactly_a_batch_is_on_its_way_when_every_order_arrives_at_once() {
    let policy = RolloutPolicy {
        batch_size: Share::Count(5),
        ..RolloutPolicy::default()
    };
    let mut places = places(&[20, 20, 20], |_| Fate::Well);
    // Always 1: every order arrives, and nobody is ever ready.
    let regions = |places: &[Place]| places.iter().map(Place::view).collect::<Vec<_>>();
    let waves = waves(&policy, &regions(&places));
    let deployment = Deployment {
        kind: Kind::Rollout,
        state: DeploymentState::Wave,
        wave: 0,
        waves: &waves,
        policy: &policy,
        in_state: Duration::ZERO,
        overdue: false,
        may_step: true,
        hold: None,
        can_roll_back: true,
    };
    for _ in 0..3 {
        if let Verdict::Move { cursors } = plan(&deployment, &regions(&places)).verdict {
            advance(&mut places, cursors);
        }
        for place in &mut places {
            place.told = place.cursor;
            place.admit(false);
        }
        let under_way: usize = places.iter().map(Place::admitted).sum();
        assert_eq!(under_way, 5);
    }
}
