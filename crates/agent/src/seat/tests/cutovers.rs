//! Green beside blue, step by step.

use super::event::Event;
use super::sandbox::Sandbox;
use super::{POLICY, activate};
use crate::seat::Seat;
use model::deployment::Directive;
use model::{ReleaseNumber, TaskState};

/// Release 1 serves, and release 2 has just been started beside it.
fn begun() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play([
        activate(1, true),
        Event::Fetched,
        Event::Healthy(0),
        Event::Front { in_flight: 0 },
        activate(2, true),
        Event::Fetched,
        // Nothing more, so that it is looked at once after the start.
        Event::Stopped,
    ]);
    assert_eq!(sandbox.releases(), [1, 2]);
    sandbox
}

#[test]
fn blue_serves_until_green_is_healthy_then_drains_then_stays_warm() {
    let mut sandbox = begun();
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.running_release, sandbox.serving()),
        (TaskState::Starting, Some(ReleaseNumber(1)), Some(1))
    );
    sandbox.play([Event::Healthy(1)]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.running_release, sandbox.serving()),
        (TaskState::Healthy, Some(ReleaseNumber(2)), Some(2))
    );
    sandbox.play([Event::Wait { seconds: 3_600 }]);
    assert_eq!(
        sandbox.seat.as_ref().and_then(Seat::drains),
        None,
        "the frontend has not answered"
    );
    sandbox.play([Event::Front { in_flight: 5 }, Event::Wait { seconds: 29 }]);
    let drains = sandbox.seat.as_ref().and_then(Seat::drains).unwrap();
    assert_eq!(drains.release, ReleaseNumber(1));
    sandbox.play([
        Event::Front { in_flight: 0 },
        Event::Wait { seconds: 59 },
        Event::Stopped,
    ]);
    assert_eq!(sandbox.releases(), [1, 2], "warm");
    sandbox.play([Event::Wait { seconds: 1 }, Event::Stopped]);
    assert_eq!(sandbox.releases(), [2]);
}

#[test]
fn requests_that_never_end_hold_blue_up_only_until_the_deadline() {
    let mut sandbox = begun();
    sandbox.play([
        Event::Healthy(1),
        Event::Front { in_flight: 1 },
        Event::Wait { seconds: 30 },
        Event::Wait { seconds: 60 },
        Event::Stopped,
    ]);
    assert_eq!(sandbox.releases(), [2]);
}

#[test]
fn a_green_that_crashes_or_never_becomes_healthy_is_reported_while_blue_serves() {
    for (failure, expected) in [
        (Event::Crash(1), "crashed; release 1 goes on serving"),
        (
            Event::Wait { seconds: 300 },
            "release 2 did not become healthy within 300 s; release 1 goes on serving",
        ),
    ] {
        let mut sandbox = begun();
        sandbox.play([failure, Event::Stopped]);
        let instance = sandbox.instance().unwrap();
        assert_eq!(
            (
                instance.state,
                instance.running_release,
                instance.reason.as_deref()
            ),
            (TaskState::Error, Some(ReleaseNumber(1)), Some(expected))
        );
        assert_eq!((sandbox.releases(), sandbox.serving()), (vec![1], Some(1)));
        let seat = sandbox.seat.as_ref().unwrap();
        assert_eq!(
            seat.wake(sandbox.now).map(|(at, _)| at - sandbox.now),
            Some(POLICY.delay_min),
            "it is tried again"
        );
    }
}

#[test]
fn a_green_that_fails_while_blue_is_warm_gives_the_place_back_at_once() {
    let mut sandbox = begun();
    sandbox.play([
        Event::Healthy(1),
        Event::Front { in_flight: 0 },
        Event::Failing(1),
    ]);
    assert_eq!(sandbox.serving(), Some(1));
    let instance = sandbox.instance().unwrap();
    assert_eq!(instance.state, TaskState::Error);
    let reason = instance.reason.unwrap();
    assert!(
        reason.contains("status 500") && reason.contains("release 1 goes on serving"),
        "{reason}"
    );
    sandbox.play([Event::Stopped]);
    assert_eq!(sandbox.releases(), [1, 2], "not before requests go to blue again");
    let front = || Event::Front { in_flight: 0 };
    sandbox.play([front(), front(), Event::Stopped]);
    assert_eq!(sandbox.releases(), [1]);

    let mut sandbox = begun();
    sandbox.play([Event::Healthy(1), Event::Front { in_flight: 0 }, Event::Crash(1)]);
    assert_eq!((sandbox.releases(), sandbox.serving()), (vec![1], Some(1)));
}

#[test]
fn an_order_back_to_the_warm_release_takes_effect_without_a_start() {
    let mut sandbox = begun();
    sandbox.play([Event::Healthy(1), Event::Front { in_flight: 0 }]);
    let blue = sandbox.process_of(1).unwrap().task.clone();
    sandbox.play([Event::Order {
        epoch: 3,
        release: 1,
        directive: Directive::Activate,
        overlap: true,
    }]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.running_release),
        (TaskState::Healthy, Some(ReleaseNumber(1)))
    );
    assert_eq!(sandbox.process_of(1).unwrap().task, blue, "the same process");
}

#[test]
fn a_third_release_waits_until_one_of_the_two_has_gone() {
    let mut sandbox = begun();
    sandbox.play([
        Event::Healthy(1),
        activate(3, true),
        Event::Fetched,
        Event::Front { in_flight: 1 },
        Event::Wait { seconds: 29 },
    ]);
    assert_eq!(sandbox.releases(), [1, 2]);
    sandbox.play([Event::Wait { seconds: 1 }, Event::Stopped, Event::Healthy(1)]);
    assert_eq!(sandbox.releases(), [2, 3], "blue was not kept warm for it");
    // One that has not served yet makes room at once.
    let mut sandbox = begun();
    sandbox.play([activate(3, true), Event::Fetched, Event::Stopped]);
    assert_eq!(sandbox.releases(), [1, 3]);
}

#[test]
fn releases_that_may_not_overlap_follow_each_other() {
    let mut sandbox = Sandbox::new();
    sandbox.play([
        activate(1, true),
        Event::Fetched,
        Event::Healthy(0),
        activate(2, false),
        Event::Fetched,
    ]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(instance.reason.as_deref(), Some("release 1 is being stopped"));
    let front = |in_flight| Event::Front { in_flight };
    sandbox.play([front(1), Event::Wait { seconds: 9 }, Event::Stopped]);
    assert_eq!(sandbox.releases(), [1], "it ends what it began");
    let mut patient = sandbox.clone();
    patient.play([front(0), Event::Stopped]);
    assert_eq!(patient.releases(), [2]);
    sandbox.play([Event::Wait { seconds: 1 }, Event::Stopped]);
    assert_eq!(sandbox.releases(), [2], "what waits doesn't wait for ever");
}

#[test]
fn requests_are_not_held_for_a_process_that_is_to_stay_after_all() {
    let mut sandbox = Sandbox::new();
    sandbox.play([
        activate(1, false),
        Event::Fetched,
        Event::Healthy(0),
        activate(2, false),
        Event::Fetched,
        Event::Front { in_flight: 1 },
    ]);
    let leaves = |sandbox: &Sandbox| sandbox.seat.as_ref().and_then(Seat::leaves);
    assert!(leaves(&sandbox).is_some());
    sandbox.play([Event::Order {
        epoch: 3,
        release: 1,
        directive: Directive::Activate,
        overlap: false,
    }]);
    assert_eq!((leaves(&sandbox), sandbox.releases()), (None, vec![1]));
    // What isn't healthy has no requests.
    sandbox.play([
        Event::Failing(0),
        activate(4, false),
        Event::Fetched,
        Event::Stopped,
    ]);
    assert_eq!(sandbox.releases(), [4]);
}
