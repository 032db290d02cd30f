//! The rules of a seat, held against random orders and a small world that does what it is asked.

use super::*;
use model::deployment::Directive;
use model::instance::Transfer;
use model::{DeploymentId, ServiceSpec};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
            target: "//a:b".parse().unwrap(),
            command: vec!["b".to_owned()],
            environment: BTreeMap::new(),
            port_variable: "PORT".to_owned(),
            health: model::service::HealthCheck::default(),
            stop_timeout_seconds: 1,
        },
    }
}

/// Every third release brings back the bytes of an earlier one, as a rollback does.
fn artifact(release: i64) -> ArtifactId {
    ArtifactId([u8::try_from(release.rem_euclid(3)).unwrap(); 32])
}

/// One host with one seat: does what the seat asks, as late as the test likes.
struct Sandbox {
    now: Instant,
    seat: Option<Seat>,
    whole: BTreeSet<ArtifactId>,
    broken: BTreeSet<ArtifactId>,
    running: Option<TaskRecord>,
    stopping: bool,
    healthy: bool,
    epoch_max: Epoch,
}

#[derive(Debug, Clone)]
enum Event {
    Order {
        epoch: i64,
        release: i64,
        activate: bool,
    },
    Withdraw,
    /// The bytes that are wanted are here.
    Fetched,
    /// The bytes that are wanted turn out to be not to be had.
    Unobtainable,
    /// The process ends by itself.
    Crash,
    /// The process that was asked to end has ended.
    Stopped,
    Healthy,
    /// The agent is killed and begins anew with what it wrote down; the process goes on.
    Restart,
    /// Time passes.
    Wait {
        seconds: u64,
    },
    /// What is not kept is deleted.
    Collect,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..12_i64, any::<bool>())
            .prop_map(|(epoch, activate)| Event::Order { epoch, release: epoch / 2, activate }),
        1 => Just(Event::Withdraw),
        4 => Just(Event::Fetched),
        1 => Just(Event::Unobtainable),
        2 => Just(Event::Crash),
        3 => Just(Event::Stopped),
        2 => Just(Event::Healthy),
        2 => Just(Event::Restart),
        2 => (0..90_u64).prop_map(|seconds| Event::Wait { seconds }),
        2 => Just(Event::Collect),
    ]
}

impl Sandbox {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            seat: None,
            whole: BTreeSet::new(),
            broken: BTreeSet::new(),
            running: None,
            stopping: false,
            healthy: false,
            epoch_max: Epoch(i64::MIN),
        }
    }

    fn world(&self) -> World {
        let supply = |order: Option<&DesiredService>| match order.map(|order| order.artifact) {
            Some(artifact) if self.whole.contains(&artifact) => Supply::Whole,
            Some(artifact) if self.broken.contains(&artifact) => Supply::Failed("no such bytes".to_owned()),
            Some(_) => Supply::Moving,
            None => Supply::Awaited,
        };
        let record = self.seat.as_ref().map(Seat::record);
        let process = match &self.running {
            None => Process::Absent,
            Some(task) if self.stopping => Process::Stopping {
                release: task.release,
                port: task.port,
            },
            Some(task) => {
                let health = if self.healthy {
                    Health::Healthy
                } else {
                    Health::Silent(None)
                };
                Process::Up {
                    release: task.release,
                    port: task.port,
                    health,
                }
            }
        };
        World {
            desired: supply(record.and_then(|record| record.desired.as_ref())),
            fallback: supply(self.seat.as_ref().and_then(Seat::fallback)),
            active: supply(record.and_then(|record| record.active.as_ref())),
            transfer: Transfer::default(),
            process,
        }
    }

    fn happen(&mut self, event: Event) {
        let keeps: BTreeSet<ArtifactId> = self.seat.iter().flat_map(Seat::keeps).copied().collect();
        let wants: Vec<ArtifactId> = self.seat.iter().flat_map(Seat::wants).copied().collect();
        match event {
            Event::Order {
                epoch,
                release,
                activate,
            } => self.order(epoch, release, activate),
            Event::Withdraw => self.seat.iter_mut().for_each(Seat::withdraw),
            Event::Fetched => {
                self.broken.clear();
                self.whole.extend(wants);
            }
            Event::Unobtainable => self.broken.extend(wants),
            Event::Crash if !self.stopping => {
                if self.running.take().is_some()
                    && let Some(seat) = &mut self.seat
                {
                    seat.failed(self.now, Duration::ZERO, "crashed".to_owned(), &POLICY);
                }
            }
            Event::Stopped if self.stopping => self.end(),
            Event::Healthy => self.healthy = true,
            Event::Restart => self.restart(),
            Event::Wait { seconds } => self.now += Duration::from_secs(seconds),
            Event::Collect => self.whole.retain(|artifact| keeps.contains(artifact)),
            Event::Crash | Event::Stopped => {}
        }
    }

    fn order(&mut self, epoch: i64, release: i64, activate: bool) {
        let directive = if activate {
            Directive::Activate
        } else {
            Directive::Stage
        };
        let order = order(epoch, release, directive);
        match &mut self.seat {
            None => self.seat = Some(Seat::new(order)),
            Some(seat) => {
                let refused = seat.order(order).is_err();
                assert_eq!(
                    refused,
                    Epoch(epoch) < self.epoch_max,
                    "exactly the older orders are refused"
                );
            }
        }
        self.epoch_max = self.epoch_max.max(Epoch(epoch));
    }

    /// What is on the disk is all that is left; a process that was asked to end is asked again.
    fn restart(&mut self) {
        let Some(seat) = &mut self.seat else { return };
        let json = serde_json::to_string(seat.record()).unwrap();
        *seat = Seat::restore(serde_json::from_str(&json).unwrap());
        self.stopping = false;
        assert_eq!(
            seat.record().task,
            self.running,
            "a running process is always written down"
        );
    }

    fn end(&mut self) {
        self.running = None;
        self.stopping = false;
        self.seat.iter_mut().for_each(Seat::stopped);
    }

    /// Does what the seat asks, and checks that it may ask for it.
    fn settle(&mut self) {
        let world = self.world();
        let Some(seat) = &mut self.seat else { return };
        let action = seat.decide(self.now, &world);
        match action {
            Some(Action::Start(order)) => {
                assert!(self.running.is_none(), "never two processes");
                assert!(
                    self.whole.contains(&order.artifact),
                    "nothing runs before all of it was verified"
                );
                let task = task(&order);
                seat.started(task.clone());
                self.running = Some(task);
                self.healthy = false;
            }
            Some(Action::Stop) => {
                let running = self.running.as_ref().expect("only what runs is stopped");
                let active = seat.record().active.as_ref();
                assert!(
                    active.is_none_or(|active| {
                        active.release != running.release && self.whole.contains(&active.artifact)
                    }),
                    "what runs is stopped only for a release that can be started, or for good"
                );
                self.stopping = true;
            }
            None => {}
        }
        self.check();
    }

    fn check(&self) {
        let Some(seat) = &self.seat else { return };
        let world = self.world();
        assert_eq!(seat.record().epoch, self.epoch_max, "the epoch never goes back");
        if let Some(running) = &self.running {
            assert!(
                seat.keeps().any(|kept| *kept == running.artifact),
                "what runs is never deleted"
            );
        }
        let again = seat.clone().decide(self.now, &self.world());
        assert!(!matches!(again, Some(Action::Start(_))) || self.running.is_none());
        if let Some(instance) = seat.instance(&"web".parse().unwrap(), &world) {
            if instance.state == TaskState::Healthy {
                assert_eq!(instance.running_release, Some(instance.desired_release));
            }
            assert!(
                instance.state != TaskState::Error || instance.reason.is_some(),
                "an error says why"
            );
        }
    }
}

fn task(order: &DesiredService) -> TaskRecord {
    let process = serde_json::json!({
        "pid": 1, "start_ticks": 1, "boot": "b", "log": { "path": "log", "length_max": 1 }
    });
    TaskRecord {
        release: order.release,
        artifact: order.artifact,
        port: 20_000,
        health: order.spec.health.clone(),
        stop_timeout_seconds: 1,
        process: serde_json::from_value(process).unwrap(),
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(events in vec(event(), 1..200)) {
        let mut sandbox = Sandbox::new();
        for event in events {
            sandbox.happen(event);
            sandbox.settle();
        }
    }

    #[test]
    fn once_everything_works_again_the_newest_order_runs(events in vec(event(), 1..100), activate in any::<bool>()) {
        let mut sandbox = Sandbox::new();
        for event in events {
            sandbox.happen(event);
            sandbox.settle();
        }
        let release_before = sandbox.seat.as_ref().and_then(|seat| seat.record().active.clone());
        sandbox.happen(Event::Order { epoch: 100, release: 100, activate });
        for _ in 0..4 {
            for event in [Event::Fetched, Event::Stopped, Event::Wait { seconds: 60 }, Event::Healthy] {
                sandbox.happen(event);
                sandbox.settle();
            }
        }
        let instance = sandbox.seat.as_ref().unwrap().instance(&"web".parse().unwrap(), &sandbox.world()).unwrap();
        if activate {
            prop_assert_eq!((instance.state, instance.running_release), (TaskState::Healthy, Some(ReleaseNumber(100))));
        } else {
            prop_assert_eq!(instance.state, TaskState::Staged);
            prop_assert_eq!(instance.running_release, release_before.map(|order| order.release));
        }
    }
}

#[test]
fn a_service_that_is_no_longer_ordered_is_stopped_and_only_its_epoch_stays() {
    let mut sandbox = Sandbox::new();
    for event in [
        Event::Order {
            epoch: 1,
            release: 1,
            activate: true,
        },
        Event::Fetched,
        Event::Withdraw,
    ] {
        sandbox.happen(event);
        sandbox.settle();
    }
    let seat = sandbox.seat.as_ref().unwrap();
    let instance = seat.instance(&"web".parse().unwrap(), &sandbox.world()).unwrap();
    assert_eq!(
        (instance.state, instance.running_release),
        (TaskState::Draining, Some(ReleaseNumber(1)))
    );
    sandbox.happen(Event::Stopped);
    sandbox.settle();
    let seat = sandbox.seat.as_ref().unwrap();
    assert!(seat.is_vacant() && seat.keeps().next().is_none());
    assert_eq!(seat.instance(&"web".parse().unwrap(), &sandbox.world()), None);
    assert_eq!(seat.record().epoch, Epoch(1));
}

#[test]
fn the_release_before_is_kept_for_a_rollback() {
    let mut sandbox = Sandbox::new();
    for release in [1, 2] {
        sandbox.happen(Event::Order {
            epoch: release,
            release,
            activate: true,
        });
        for event in [Event::Fetched, Event::Stopped, Event::Stopped] {
            sandbox.happen(event);
            sandbox.settle();
        }
    }
    let kept: BTreeSet<_> = sandbox.seat.iter().flat_map(Seat::keeps).copied().collect();
    assert_eq!(kept, BTreeSet::from([artifact(1), artifact(2)]));
}

#[test]
fn a_crashing_release_is_reported_with_its_reason_and_started_again_later() {
    let mut sandbox = Sandbox::new();
    for event in [
        Event::Order {
            epoch: 1,
            release: 1,
            activate: true,
        },
        Event::Fetched,
        Event::Crash,
    ] {
        sandbox.happen(event);
        sandbox.settle();
    }
    let seat = sandbox.seat.as_ref().unwrap();
    let instance = seat.instance(&"web".parse().unwrap(), &sandbox.world()).unwrap();
    assert_eq!(
        (instance.state, instance.reason.as_deref()),
        (TaskState::Error, Some("crashed"))
    );
    assert_eq!(
        seat.wake(sandbox.now).map(|(at, _)| at - sandbox.now),
        Some(POLICY.delay_min)
    );
    sandbox.happen(Event::Wait { seconds: 1 });
    sandbox.settle();
    assert!(sandbox.running.is_some());
}
