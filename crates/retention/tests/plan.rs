//! What is kept, and that nothing that is needed ever goes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

use model::{ArtifactId, ReleaseNumber, ServiceName};
use proptest::prelude::*;
use retention::{Artifact, Plan, Policy, Reason, References, Release, Rollbacks, ServiceRollbacks, plan};
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn id(number: u8) -> ArtifactId {
    ArtifactId([number; 32])
}

fn web() -> ServiceName {
    "web".parse().unwrap()
}

fn artifact(number: u8, days: u32, newer: u64) -> Artifact {
    Artifact {
        id: id(number),
        repository: "murmuration".parse().unwrap(),
        commit: format!("{number:040x}").parse().unwrap(),
        target: "//wing:feather".parse().unwrap(),
        total_bytes: 1 << number.min(40),
        age: DAY * days,
        newer,
    }
}

fn reasons(plan: &Plan) -> BTreeMap<ArtifactId, Reason> {
    plan.kept
        .iter()
        .map(|kept| (kept.artifact.id, kept.reason.clone()))
        .collect()
}

#[test]
fn what_is_old_and_unneeded_goes_and_says_how_much_it_frees() {
    let policy = Policy::default();
    let made = plan(
        vec![artifact(1, 13, 50), artifact(2, 14, 9), artifact(3, 14, 10)],
        &References::default(),
        &policy,
    );
    assert_eq!(made.collected, [artifact(3, 14, 10)]);
    assert_eq!(made.freed_bytes(), 8);
    let kept = reasons(&made);
    assert_eq!((&kept[&id(1)], &kept[&id(2)]), (&Reason::Young, &Reason::Newest));
}

fn release(number: u8, newer: u64, days: u32) -> Release {
    Release {
        service: web(),
        number: ReleaseNumber(number.into()),
        artifact: id(number),
        age: DAY * days,
        newer,
    }
}

fn rollbacks(releases: u32, days: u32) -> Policy {
    Policy {
        rollbacks: Rollbacks { releases, days },
        ..Policy::default()
    }
}

/// Which of three old artifacts stay that were released one after the other, 90, 60 and 30 days ago.
fn kept_of_three(policy: &Policy) -> Vec<ReleaseNumber> {
    let references = References {
        released: vec![release(1, 2, 90), release(2, 1, 60), release(3, 0, 30)],
        ..References::default()
    };
    let artifacts = (1..=3).map(|number| artifact(number, 900, 900)).collect();
    let made = plan(artifacts, &references, policy);
    let number = |reason| match reason {
        Reason::Rollback(service, number) if service == web() => number,
        reason => panic!("{reason}"),
    };
    made.kept.into_iter().map(|kept| number(kept.reason)).collect()
}

#[test]
fn a_service_may_be_rolled_back_to_its_last_and_its_young_releases_and_no_further() {
    let [first, second, third] = [1, 2, 3].map(ReleaseNumber);
    assert_eq!(kept_of_three(&rollbacks(2, 0)), [second, third]);
    assert_eq!(kept_of_three(&rollbacks(2, 89)), [second, third]);
    assert_eq!(kept_of_three(&rollbacks(2, 91)), [first, second, third]);
    // Even a policy of none keeps what succeeded last, and a way back from it.
    assert_eq!(kept_of_three(&rollbacks(0, 0)), [second, third]);
}

#[test]
fn a_service_that_says_so_keeps_more_or_less_than_others() {
    let with = |of: &str, releases, days| Policy {
        services: BTreeMap::from([(of.parse().unwrap(), ServiceRollbacks { releases, days })]),
        ..rollbacks(2, 0)
    };
    assert_eq!(kept_of_three(&with("web", Some(3), None)).len(), 3);
    assert_eq!(kept_of_three(&with("web", None, Some(91))).len(), 3);
    assert_eq!(kept_of_three(&with("other", Some(3), Some(900))).len(), 2);
    let less = Policy {
        rollbacks: Rollbacks {
            releases: 3,
            days: 900,
        },
        ..with("web", Some(1), Some(0))
    };
    assert_eq!(kept_of_three(&less).len(), 2);
}

fn policies() -> impl Strategy<Value = Policy> {
    let own = (proptest::option::of(0..5_u32), proptest::option::of(0..20_u32));
    (
        0..5_u32,
        0..20_u32,
        0..5_u32,
        0..20_u32,
        proptest::option::of(own),
    )
        .prop_map(|(releases, days, newest_artifacts, keep_days, own)| Policy {
            newest_artifacts,
            keep_days,
            rollbacks: Rollbacks { releases, days },
            services: own
                .map(|(releases, days)| (web(), ServiceRollbacks { releases, days }))
                .into_iter()
                .collect(),
        })
}

fn artifacts() -> impl Strategy<Value = Vec<Artifact>> {
    proptest::collection::vec((0..30_u32, 0..10_u64), 0..20).prop_map(|all| {
        let numbered = (0_u8..).zip(all);
        numbered
            .map(|(number, (days, newer))| artifact(number, days, newer))
            .collect()
    })
}

fn named() -> impl Strategy<Value = BTreeMap<ArtifactId, ServiceName>> {
    proptest::collection::btree_set(0..20_u8, 0..4)
        .prop_map(|ids| ids.into_iter().map(|number| (id(number), web())).collect())
}

prop_compose! {
    fn worlds()(told in named(), in_flight in named(), running in named(),
                released in proptest::collection::vec((0..20_u8, 0..30_u32), 0..6),
                building in proptest::collection::btree_set(0..20_u8, 0..4)) -> References {
        let released = (0_u64..).zip(released).map(|(newer, (number, days))| release(number, newer, days));
        let building = building.into_iter().map(|number| {
            let artifact = artifact(number, 0, 0);
            (artifact.repository, artifact.commit, artifact.target)
        });
        References {
            told,
            in_flight,
            running,
            released: released.collect(),
            building: building.collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_referenced_is_ever_collected(all in artifacts(), world in worlds(), policy in policies()) {
        let made = plan(all, &world, &policy);
        for gone in &made.collected {
            prop_assert!(!world.told.contains_key(&gone.id));
            prop_assert!(!world.in_flight.contains_key(&gone.id));
            prop_assert!(!world.running.contains_key(&gone.id));
            // The last release that succeeded, whatever the policy says, and those that it keeps.
            let own = policy.services.get(&web()).copied().unwrap_or_default();
            let (releases, days) = (own.releases.unwrap_or(policy.rollbacks.releases), own.days.unwrap_or(policy.rollbacks.days));
            let needed = |release: &Release| release.newer < 2 || release.newer < releases.into() || release.age < DAY * days;
            prop_assert!(!world.released.iter().any(|release| release.artifact == gone.id && needed(release)));
            let identity = (gone.repository.clone(), gone.commit.clone(), gone.target.clone());
            prop_assert!(!world.building.contains(&identity));
        }
    }

    #[test]
    fn every_artifact_is_collected_or_kept_once_and_only_what_is_old(
        all in artifacts(), world in worlds(), policy in policies(),
    ) {
        let made = plan(all.clone(), &world, &policy);
        let mut seen: Vec<_> = made.collected.iter().chain(made.kept.iter().map(|kept| &kept.artifact)).collect();
        seen.sort_by_key(|artifact| artifact.id);
        prop_assert_eq!(seen, all.iter().collect::<Vec<_>>());
        for gone in &made.collected {
            prop_assert!(gone.age >= policy.keep_for() && gone.newer >= u64::from(policy.newest_artifacts));
        }
    }

    #[test]
    fn a_reference_more_never_costs_an_artifact(
        all in artifacts(), world in worlds(), policy in policies(), one in 0..20_u8,
    ) {
        let before = plan(all.clone(), &world, &policy);
        let mut more = world;
        more.running.insert(id(one), web());
        let after = plan(all, &more, &policy);
        for gone in &after.collected {
            prop_assert!(before.collected.contains(gone) && gone.id != id(one));
        }
    }
}
