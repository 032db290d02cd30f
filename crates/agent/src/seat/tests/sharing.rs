//! A share for green before it gets everything, step by step.

use super::activate;
use super::event::Event;
use super::sandbox::Sandbox;
use crate::seat::Seat;
use model::{ReleaseNumber, TaskState};

/// Release 1 serves, and release 5, which is to get a share first, is healthy beside it.
fn sharing() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play([
        activate(1, true),
        Event::Fetched,
        Event::Healthy(0),
        Event::Front { in_flight: 0 },
        activate(5, true),
        Event::Fetched,
        Event::Healthy(1),
    ]);
    assert_eq!((sandbox.releases(), sandbox.serving()), (vec![1, 5], Some(1)));
    sandbox
}

fn shares(sandbox: &Sandbox) -> Option<ReleaseNumber> {
    let target = sandbox.seat.as_ref().and_then(Seat::shares)?;
    Some(target.release)
}

#[test]
fn green_gets_everything_once_its_share_has_gone_well_for_long_enough() {
    let mut sandbox = sharing();
    assert_eq!(shares(&sandbox), Some(ReleaseNumber(5)));
    sandbox.play([Event::Wait { seconds: 3_600 }]);
    assert_eq!(sandbox.serving(), Some(1), "the frontend has not sent it any yet");
    sandbox.play([
        Event::Front { in_flight: 3 },
        Event::Answered { errors: 5 },
        Event::Wait { seconds: 29 },
    ]);
    let instance = sandbox.instance().unwrap();
    assert_eq!(
        (instance.state, instance.running_release),
        (TaskState::Running, Some(ReleaseNumber(1)))
    );
    assert!(instance.reason.unwrap().contains("10 % of the requests"));
    // Another agent begins its wait anew.
    let mut late = sandbox.clone();
    late.play([
        Event::Restart,
        Event::Healthy(0),
        Event::Healthy(1),
        Event::Front { in_flight: 3 },
    ]);
    late.play([Event::Wait { seconds: 29 }]);
    assert_eq!((late.serving(), shares(&late)), (Some(1), Some(ReleaseNumber(5))));
    for mut sandbox in [sandbox, late] {
        sandbox.play([Event::Wait { seconds: 1 }]);
        assert_eq!((sandbox.serving(), shares(&sandbox)), (Some(5), None));
        assert_eq!(sandbox.instance().unwrap().state, TaskState::Healthy);
    }
}

#[test]
fn a_green_that_answers_badly_or_fails_gives_everything_back_and_ends_what_it_began() {
    for (failure, expected) in [
        (
            Event::Answered { errors: 6 },
            "release 5 failed 6 of the 100 requests of its share, and 5 % may",
        ),
        (
            Event::Failing(1),
            "release 5 got 10 % of the requests: status 500",
        ),
    ] {
        let mut sandbox = sharing();
        sandbox.play([Event::Front { in_flight: 3 }, failure]);
        assert_eq!((sandbox.serving(), shares(&sandbox)), (Some(1), None));
        let instance = sandbox.instance().unwrap();
        assert_eq!(instance.state, TaskState::Error);
        let reason = instance.reason.unwrap();
        assert!(
            reason.contains(expected) && reason.contains("release 1 goes on serving"),
            "{reason}"
        );
        sandbox.play([Event::Stopped]);
        assert_eq!(sandbox.releases(), [1, 5], "requests may still go to it");
        sandbox.play([Event::Front { in_flight: 3 }, Event::Stopped]);
        assert_eq!(sandbox.releases(), [1, 5], "it ends what it began");
        sandbox.play([Event::Front { in_flight: 0 }, Event::Stopped]);
        assert_eq!(sandbox.releases(), [1]);
    }
}

#[test]
fn a_release_that_is_passed_over_during_its_share_is_drained_before_it_is_stopped() {
    let mut sandbox = sharing();
    sandbox.play([
        Event::Front { in_flight: 3 },
        activate(8, true),
        Event::Fetched,
        Event::Stopped,
    ]);
    assert_eq!((sandbox.releases(), shares(&sandbox)), (vec![1, 5], None));
    let front = || Event::Front { in_flight: 0 };
    sandbox.play([front(), front(), Event::Stopped, Event::Stopped]);
    assert_eq!(sandbox.releases(), [1, 8]);
}

#[test]
fn a_share_ends_at_once_when_blue_cannot_serve_any_more() {
    let mut sandbox = sharing();
    sandbox.play([Event::Front { in_flight: 0 }, Event::Failing(0)]);
    assert_eq!(sandbox.serving(), Some(5));
    let mut sandbox = sharing();
    sandbox.play([Event::Front { in_flight: 0 }, Event::Crash(0)]);
    assert_eq!((sandbox.serving(), shares(&sandbox)), (Some(5), None));
}
