//! Green ahead of its turn, step by step.

use super::activate;
use super::event::Event;
use super::sandbox::Sandbox;
use model::deployment::Directive;
use model::service::Overlap;
use model::{ReleaseNumber, TaskState};

fn order(number: i64, directive: Directive) -> Event {
    Event::Order {
        epoch: number,
        release: number,
        directive,
        overlap: true,
    }
}

/// Release 1 serves, and release 2 is healthy beside it, ahead of its turn.
fn warm() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play([
        activate(1, true),
        Event::Fetched,
        Event::Healthy(0),
        Event::Front { in_flight: 0 },
        order(2, Directive::Stage),
        Event::Fetched,
        order(2, Directive::Warm),
        Event::Healthy(1),
        Event::Front { in_flight: 0 },
    ]);
    assert_eq!(sandbox.releases(), [1, 2]);
    sandbox
}

#[test]
fn green_is_ready_without_a_request_until_its_turn_and_then_serves_at_once() {
    let mut sandbox = warm();
    sandbox.play([
        Event::Wait { seconds: 3_600 },
        Event::Restart,
        Event::Healthy(0),
        Event::Healthy(1),
    ]);
    let instance = sandbox.instance().unwrap();
    assert_eq!((instance.state, instance.observations), (TaskState::Warm, 2));
    assert_eq!(
        (
            instance.running_release,
            instance.active_release,
            instance.warm_release
        ),
        (
            Some(ReleaseNumber(1)),
            Some(ReleaseNumber(1)),
            Some(ReleaseNumber(2))
        )
    );
    assert_eq!(sandbox.serving(), Some(1));
    sandbox.play([activate(2, true)]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.warm_release),
        (TaskState::Healthy, None)
    );
    assert_eq!(sandbox.serving(), Some(2), "nothing had to be started");
}

#[test]
fn green_gets_no_request_even_when_blue_fails_or_ends() {
    for blue in [Event::Failing(0), Event::Crash(0)] {
        let mut sandbox = warm();
        sandbox.play([blue, Event::Front { in_flight: 0 }]);
        assert_eq!(sandbox.serving(), None);
        let instance = sandbox.instance().unwrap();
        assert_eq!(instance.state, TaskState::Warm, "it is none of green's doing");
    }
    let mut sandbox = warm();
    sandbox.play([Event::Crash(0), Event::Wait { seconds: 1 }, Event::Healthy(1)]);
    assert_eq!(
        (sandbox.releases(), sandbox.serving()),
        (vec![2, 1], Some(1)),
        "blue is started again"
    );
}

#[test]
fn a_green_that_crashes_or_never_becomes_healthy_says_so_and_is_tried_again() {
    for (failure, expected) in [
        (Event::Crash(1), "crashed"),
        (
            Event::Wait { seconds: 300 },
            "release 2 did not become healthy within 300 s",
        ),
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.play([
            activate(1, true),
            Event::Fetched,
            Event::Healthy(0),
            order(2, Directive::Warm),
            Event::Fetched,
            Event::Stopped,
        ]);
        assert_eq!(sandbox.instance().unwrap().state, TaskState::Starting);
        sandbox.play([failure, Event::Stopped]);
        let instance = sandbox.instance().unwrap();
        assert_eq!(
            (instance.state, instance.reason.as_deref()),
            (TaskState::Error, Some(expected))
        );
        assert_eq!((sandbox.releases(), sandbox.serving()), (vec![1], Some(1)));
        sandbox.play([Event::Wait { seconds: 1 }]);
        assert_eq!(sandbox.releases(), [1, 2]);
    }
}

#[test]
fn a_deployment_that_is_given_up_takes_green_away_and_leaves_blue_alone() {
    for next in [order(2, Directive::Stage), activate(4, true)] {
        let mut sandbox = warm();
        let blue = sandbox.process_of(1).unwrap().id.clone();
        // Release 4 has the bytes of release 1, as a rollback to it has.
        sandbox.play([next, Event::Fetched, Event::Stopped]);
        let ids: Vec<_> = sandbox.running.iter().map(|running| running.id.clone()).collect();
        assert_eq!(ids, [blue]);
        assert!(sandbox.serving().is_some());
    }
}

#[test]
fn a_rollback_after_the_switch_goes_back_to_the_process_that_stays_warm() {
    let mut sandbox = warm();
    sandbox.play([activate(2, true), Event::Front { in_flight: 0 }]);
    let blue = sandbox.process_of(1).unwrap().id.clone();
    sandbox.play([activate(4, true), Event::Fetched]);
    assert_eq!(sandbox.serving(), Some(4));
    assert_eq!(sandbox.process_of(4).unwrap().id, blue, "no start lies between");
    assert_eq!(sandbox.instance().unwrap().state, TaskState::Healthy);
}

#[test]
fn what_may_not_run_beside_another_waits_and_says_so() {
    let mut sandbox = Sandbox::new();
    sandbox.play([
        activate(1, false),
        Event::Fetched,
        Event::Healthy(0),
        order(2, Directive::Warm),
        Event::Fetched,
    ]);
    assert_eq!(sandbox.process_of(1).unwrap().task.terms.overlap, Overlap::Never);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.warm_release),
        (TaskState::Staged, Some(ReleaseNumber(2)))
    );
    assert!(instance.reason.unwrap().contains("never"));
    assert_eq!(sandbox.releases(), [1]);
}

#[test]
fn on_a_host_where_nothing_runs_the_first_release_waits_for_its_turn_too() {
    let mut sandbox = Sandbox::new();
    sandbox.play([order(1, Directive::Warm), Event::Fetched, Event::Healthy(0)]);
    assert_eq!(
        (sandbox.instance().unwrap().state, sandbox.serving()),
        (TaskState::Warm, None)
    );
    let process = sandbox.running[0].id.clone();
    sandbox.play([activate(1, true)]);
    assert_eq!((sandbox.serving(), &sandbox.running[0].id), (Some(1), &process));
}
