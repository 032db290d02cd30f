//! The rules of a seat, held against random orders and a small world that does what it is asked.

mod cutovers;
mod event;
mod fixtures;
mod sandbox;
mod sharing;
mod warm;

use super::*;
use event::{Event, directive, event};
use model::deployment::Directive;
use model::service::{Cutover, Overlap, Split};
use model::{DeploymentId, ServiceSpec, TaskState};
use proptest::collection::vec;
use proptest::prelude::*;
use sandbox::Sandbox;
use std::collections::BTreeSet;

const POLICY: RestartPolicy = RestartPolicy {
    delay_min: Duration::from_secs(1),
    delay_max: Duration::from_secs(60),
};

fn order(epoch: i64, release: i64, directive: Directive) -> DesiredService {
    DesiredService {
        service: "web".parse().unwrap(),
        epoch: Epoch(epoch),
        deployment: DeploymentId("00000000-0000-7000-8000-000000000000".parse().unwrap()),
        release: ReleaseNumber(release),
        artifact: artifact(release),
        directive,
        configuration: model::Configuration::default(),
        fallback: None,
        spec: ServiceSpec {
            stop_timeout_seconds: 1,
            cutover: Cutover {
                split: gets_share(release).then_some(SPLIT),
                ..Cutover::default()
            },
            ..ServiceSpec::new("//a:b".parse().unwrap(), vec!["b".to_owned()])
        },
    }
}

/// A share of the requests before all of them.
const SPLIT: Split = Split {
    percent: 10,
    seconds: 30,
    errors_percent_max: 5,
    sticky: None,
};

/// Release 5 and every sixth after it gets a share first.
fn gets_share(release: i64) -> bool {
    release.rem_euclid(6) == 5
}

/// Every third release brings back the bytes of an earlier one, as a rollback does.
fn artifact(release: i64) -> ArtifactId {
    ArtifactId([u8::try_from(release.rem_euclid(3)).unwrap(); 32])
}

/// The order to run a release.
fn activate(number: i64, overlap: bool) -> Event {
    Event::Order {
        epoch: number,
        release: number,
        directive: Directive::Activate,
        overlap,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold(events in vec(event(), 1..200)) {
        Sandbox::new().play(events);
    }

    #[test]
    fn once_everything_works_again_the_newest_order_runs_alone_or_waits_beside_what_ran(
        events in vec(event(), 1..100),
        directive in directive(),
        // One gets a share first.
        release in 100..102_i64,
        overlap in any::<bool>(),
    ) {
        let mut sandbox = Sandbox::new();
        sandbox.play(events);
        let before = sandbox.seat.as_ref().and_then(|seat| seat.record().active.clone());
        sandbox.happen(Event::Order { epoch: 100, release, directive, overlap });
        for _ in 0..16 {
            sandbox.play([
                Event::Fetched,
                Event::Stopped,
                Event::Wait { seconds: 60 },
                Event::Healthy(0),
                Event::Healthy(1),
                Event::Answered { errors: 0 },
                Event::Front { in_flight: 0 },
            ]);
        }
        let instance = sandbox.instance().unwrap();
        let beside_what_ran = before.as_ref().is_none_or(|order| order.spec.overlap == Overlap::Always);
        let state = match directive {
            Directive::Stage => TaskState::Staged,
            Directive::Warm if overlap && beside_what_ran => TaskState::Warm,
            Directive::Warm => TaskState::Staged,
            Directive::Activate => TaskState::Healthy,
        };
        let serves = match directive {
            Directive::Activate => Some(ReleaseNumber(release)),
            Directive::Stage | Directive::Warm => before.map(|order| order.release),
        };
        prop_assert_eq!((instance.state, instance.running_release), (state, serves));
        let processes = usize::from(serves.is_some()) + usize::from(state == TaskState::Warm);
        prop_assert_eq!(sandbox.running.len(), processes, "{:?}", sandbox.running);
    }
}

#[test]
fn a_service_that_is_no_longer_ordered_is_stopped_and_only_its_epoch_stays() {
    let mut sandbox = Sandbox::new();
    sandbox.play([activate(1, false), Event::Fetched, Event::Withdraw]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.running_release),
        (TaskState::Draining, Some(ReleaseNumber(1)))
    );
    sandbox.play([Event::Stopped]);
    let seat = sandbox.seat.as_ref().unwrap();
    assert!(seat.is_vacant() && seat.keeps().next().is_none());
    assert_eq!(sandbox.instance(), None);
    assert_eq!(seat.record().epoch, Epoch(1));
}

#[test]
fn the_release_before_is_kept_for_a_rollback() {
    let mut sandbox = Sandbox::new();
    for release in [1, 2] {
        sandbox.play([
            activate(release, false),
            Event::Fetched,
            Event::Stopped,
            Event::Stopped,
        ]);
    }
    let kept: BTreeSet<_> = sandbox.seat.iter().flat_map(Seat::keeps).copied().collect();
    assert_eq!(kept, BTreeSet::from([artifact(1), artifact(2)]));
}

#[test]
fn a_release_of_the_same_bytes_and_settings_takes_the_process_over_without_a_stop() {
    let mut sandbox = Sandbox::new();
    sandbox.play([activate(1, false), Event::Fetched, Event::Healthy(0)]);
    let process = sandbox.running[0].id.clone();
    // Release 4 has the bytes of release 1.
    sandbox.play([activate(4, false), Event::Fetched]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.running_release),
        (TaskState::Healthy, Some(ReleaseNumber(4)))
    );
    assert_eq!(sandbox.running[0].id, process);
}

#[test]
fn a_crashing_release_is_reported_with_its_reason_and_started_again_later() {
    let mut sandbox = Sandbox::new();
    sandbox.play([activate(1, false), Event::Fetched, Event::Crash(0)]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.reason.as_deref()),
        (TaskState::Error, Some("crashed"))
    );
    let seat = sandbox.seat.as_ref().unwrap();
    assert_eq!(
        seat.wake(sandbox.now).map(|(at, _)| at - sandbox.now),
        Some(POLICY.delay_min)
    );
    sandbox.play([Event::Wait { seconds: 1 }]);
    assert_eq!(sandbox.running.len(), 1);
}
