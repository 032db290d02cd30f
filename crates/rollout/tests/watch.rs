//! What is done about a release that becomes unhealthy after it has succeeded.

#![allow(clippy::unwrap_used)]

use model::{RolloutPolicy, Share};
use proptest::prelude::*;
use rollout::{Finding, Watched, WatchedRegion, watch};
use std::time::Duration;

const HOUR: u32 = 3_600;

fn region(number: usize, heard: bool, (hosts, unwell, unknown): (u64, u64, u64)) -> WatchedRegion {
    let unwell = unwell.min(hosts);
    WatchedRegion {
        name: format!("region-{number}").parse().unwrap(),
        heard,
        hosts,
        unwell,
        unknown: unknown.min(hosts - unwell),
        error: None,
    }
}

fn policy(failure_threshold: Share, auto_rollback: bool) -> RolloutPolicy {
    RolloutPolicy {
        failure_threshold,
        auto_rollback,
        watch_seconds: HOUR,
        ..RolloutPolicy::default()
    }
}

fn found(policy: &RolloutPolicy, ago: u32, can_roll_back: bool, regions: &[WatchedRegion]) -> Finding {
    let watched = Watched {
        policy,
        succeeded_ago: Duration::from_secs(ago.into()),
        can_roll_back,
    };
    watch(&watched, regions)
}

proptest! {
    #[test]
    fn a_release_is_taken_back_for_hosts_that_told_of_trouble_above_the_threshold_and_for_nothing_else(
        counts in prop::collection::vec((any::<bool>(), (0..50_u64, 0..50_u64, 0..50_u64)), 0..5),
        threshold in prop_oneof![(0..20_u32).prop_map(Share::Count), (0..100_u32).prop_map(Share::percent)],
        ago in 0..2 * HOUR, auto_rollback in any::<bool>(), can_roll_back in any::<bool>(),
    ) {
        let regions: Vec<WatchedRegion> = counts
            .into_iter()
            .enumerate()
            .map(|(number, (heard, counts))| region(number, heard, counts))
            .collect();
        let hosts: u64 = regions.iter().map(|region| region.hosts).sum();
        let told: u64 = regions.iter().filter(|region| region.heard).map(|region| region.unwell).sum();
        let too_many = told > threshold.up_to(hosts);
        let policy = policy(threshold, auto_rollback);
        match found(&policy, ago, can_roll_back, &regions) {
            Finding::Over => prop_assert!(ago >= HOUR),
            Finding::Well => prop_assert!(!too_many && ago < HOUR),
            Finding::Alarm(_) => prop_assert!(too_many && ago < HOUR && !(auto_rollback && can_roll_back)),
            Finding::RollBack(_) => prop_assert!(too_many && ago < HOUR && auto_rollback && can_roll_back),
        }
    }

    #[test]
    fn hosts_that_vanish_and_regions_that_fall_silent_never_take_a_release_back(
        counts in prop::collection::vec((0..50_u64, 0..50_u64), 1..5),
    ) {
        let vanished: Vec<WatchedRegion> = counts
            .iter()
            .enumerate()
            .map(|(number, (hosts, unknown))| region(number, true, (*hosts, 0, *unknown)))
            .collect();
        let silent: Vec<WatchedRegion> = counts
            .iter()
            .enumerate()
            .map(|(number, (hosts, unwell))| region(number, false, (*hosts, *unwell, 0)))
            .collect();
        let strict = policy(Share::Count(0), true);
        prop_assert_eq!(found(&strict, 0, true, &vanished), Finding::Well);
        prop_assert_eq!(found(&strict, 0, true, &silent), Finding::Well);
    }
}

#[test]
fn of_a_few_hosts_one_may_break_later_unless_the_engineer_said_none() {
    let one_of_four = [region(0, true, (4, 1, 0))];
    let share = policy(Share::percent(5), true);
    assert_eq!(found(&share, 0, true, &one_of_four), Finding::Well);
    let none = policy(Share::Count(0), true);
    let Finding::RollBack(reason) = found(&none, HOUR - 1, true, &one_of_four) else {
        panic!("none may fail")
    };
    assert_eq!(
        reason,
        "1 of 4 hosts became unhealthy after it had succeeded and have been so for 300 s, and 0 may \
         (failure_threshold 0): region-0 1 (no reason given)"
    );
}
