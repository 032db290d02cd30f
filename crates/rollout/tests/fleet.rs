//! The planner against a fleet that is played, as a seeded schedule says. Whatever happens, the invariants of the design
//! hold.

#![allow(clippy::unwrap_used)]

mod played;

use model::rollout::{Strategy as Waves, Wave};
use model::{DeploymentState, RolloutPolicy, Share};
use played::{Fate, Host, Place, Standing, advance, pass_time, places, warm};
use proptest::prelude::*;
use rollout::{Deployment, Kind, Region, Verdict, plan, waves};
use std::time::Duration;

/// What one run of a deployment came to.
#[derive(Debug)]
struct End {
    state: DeploymentState,
    rolled_back: bool,
    /// The most hosts on their way at once, and the most that were not well.
    under_way_max: u64,
    unwell_max: u64,
    /// Hosts that got their turn, and those of them that had it not ready beside what they ran.
    turned: u64,
    turned_cold: u64,
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
        turned: 0,
        turned_cold: 0,
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
            Verdict::Warm { regions } => warm(places, &regions),
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
        end.turned_cold += pass_time(places, by_zone, &mut luck);
        let count = |wanted: fn(&Standing) -> bool| {
            let hosts = places.iter().flat_map(|place| &place.hosts);
            hosts.filter(|host| wanted(&host.standing)).count() as u64
        };
        end.turned = end.turned.max(count(|standing| standing.has_turn()));
        end.under_way_max = end
            .under_way_max
            .max(count(|standing| *standing == Standing::Starting));
        end.unwell_max = end.unwell_max.max(count(|standing| {
            standing.has_turn() && *standing != Standing::Healthy
        }));
    }
    end.state = state;
    end
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
            roll if roll < bad / 3 => Fate::Fails,
            roll if roll < bad / 2 => Fate::FailsInService,
            roll if roll < bad * 3 / 4 => Fate::Vanishes,
            _ => Fate::Well,
        });
        let fleet: u64 = sizes.iter().map(|size| *size as u64).sum();
        let fails = |host: &&Host| host.fate == Fate::Fails;
        let bad_alone = places.iter().flat_map(|place| &place.hosts).filter(fails).count() as u64;
        let end = run(&policy, &mut places, luck);
        prop_assert!(!end.state.is_in_flight(), "it neither converged nor halted: {end:?}");
        let at_once = matches!(strategy, Waves::AllAtOnce | Waves::BlueGreen);
        let batch = if at_once { fleet } else { batch_size.up_to(fleet) };
        if strategy == Waves::BlueGreen {
            prop_assert_eq!(end.turned_cold, 0, "a turn came before the release was ready");
            let spoilt = bad_alone > failure_threshold.at_most(fleet);
            prop_assert!(!spoilt || end.turned == 0, "{} met a release that was bad on its own", end.turned);
        }
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
        if strategy == Waves::BlueGreen {
            prop_assert_eq!(end.turned_cold, 0);
        }
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
            place.told = (place.cursor, place.warms);
            place.admit(false);
        }
        let under_way: usize = places.iter().map(Place::admitted).sum();
        assert_eq!(under_way, 5);
    }
}
