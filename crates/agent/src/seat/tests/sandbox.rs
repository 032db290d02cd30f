//! One host with one seat: does what the seat asks, as late as the test likes, and checks that it may ask for it.

use super::super::*;
use super::event::Event;
use super::fixtures::{launch, process};
use super::{POLICY, order};
use crate::frontend::{Answers, Target};
use model::deployment::Directive;
use model::instance::Transfer;
use model::service::Overlap;
use model::{Instance, TaskState};
use std::collections::BTreeSet;
use tasks::task::LaunchId;

#[derive(Clone)]
pub struct Sandbox {
    pub now: Instant,
    pub seat: Option<Seat>,
    pub running: Vec<Running>,
    whole: BTreeSet<ArtifactId>,
    broken: BTreeSet<ArtifactId>,
    epoch_max: Epoch,
    /// Where requests really go, and what the agent knows of it.
    pointed: Option<Target>,
    confirmed: Option<Target>,
    /// Which process gets a share beside that, and how it answers.
    shares: Option<Target>,
    answers: Answers,
    /// For which process requests are held.
    held: Option<Target>,
    in_flight: u64,
    /// The agent dies between the next start and the word of it.
    dies_at_start: bool,
    starts: u64,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Running {
    pub task: TaskRecord,
    pub id: LaunchId,
    stopping: bool,
    pub health: Health,
}

impl Sandbox {
    pub fn new() -> Self {
        Self {
            now: Instant::now(),
            seat: None,
            running: Vec::new(),
            whole: BTreeSet::new(),
            broken: BTreeSet::new(),
            epoch_max: Epoch(i64::MIN),
            pointed: None,
            confirmed: None,
            shares: None,
            answers: Answers::default(),
            held: None,
            in_flight: 0,
            dies_at_start: false,
            starts: 0,
        }
    }

    /// Lets one thing after the other happen, and the seat settle after each.
    pub fn play(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.happen(event);
            self.settle();
        }
    }

    pub fn instance(&self) -> Option<Instance> {
        let service = "web".parse().unwrap();
        self.seat.as_ref()?.instance(&service, &self.world())
    }

    /// The releases that run.
    pub fn releases(&self) -> Vec<i64> {
        let releases = self.running.iter();
        releases.map(|running| running.task.terms.release.0).collect()
    }

    /// The release that requests should go to.
    pub fn serving(&self) -> Option<i64> {
        let target = self.seat.as_ref()?.serves(&self.world())?;
        Some(target.release.0)
    }

    /// The process of a release.
    pub fn process_of(&self, release: i64) -> Option<&Running> {
        let runs = |running: &&Running| running.task.terms.release == ReleaseNumber(release);
        self.running.iter().find(runs)
    }

    pub fn world(&self) -> World {
        let supply = |order: Option<&DesiredService>| match order.map(|order| order.artifact) {
            Some(artifact) if self.whole.contains(&artifact) => Supply::Whole,
            Some(artifact) if self.broken.contains(&artifact) => Supply::Failed("no such bytes".to_owned()),
            Some(_) => Supply::Moving,
            None => Supply::Awaited,
        };
        let record = self.seat.as_ref().map(Seat::record);
        let drains = self.seat.as_ref().and_then(Seat::drains);
        let leaves = self.seat.as_ref().and_then(Seat::leaves);
        let shares = self.seat.as_ref().and_then(Seat::shares);
        World {
            desired: supply(record.and_then(|record| record.desired.as_ref())),
            fallback: supply(self.seat.as_ref().and_then(Seat::fallback)),
            active: supply(record.and_then(|record| record.active.as_ref())),
            transfer: Transfer::default(),
            process: self.process(record.and_then(|record| record.task.as_ref())),
            beside: self.process(record.and_then(|record| Some(&record.beside.as_ref()?.task))),
            front: Front {
                pointed: self.confirmed,
                in_flight: drains.map(|_| self.in_flight),
                shares: shares
                    .filter(|shares| self.confirmed.is_none() && self.shares == Some(*shares))
                    .map(|_| self.answers),
                held: leaves
                    .filter(|leaves| self.held == Some(*leaves))
                    .map(|_| self.in_flight),
            },
        }
    }

    fn process(&self, task: Option<&TaskRecord>) -> Process {
        let Some(running) = self.running.iter().find(|running| Some(&running.task) == task) else {
            return Process::Absent;
        };
        let (release, port) = (running.task.terms.release, running.task.terms.port);
        if running.stopping {
            return Process::Stopping { release, port };
        }
        Process::Up {
            release,
            port,
            health: running.health.clone(),
        }
    }

    pub fn happen(&mut self, event: Event) {
        let keeps: BTreeSet<ArtifactId> = self.seat.iter().flat_map(Seat::keeps).copied().collect();
        let wants: Vec<ArtifactId> = self.seat.iter().flat_map(Seat::wants).copied().collect();
        match event {
            Event::Order {
                epoch,
                release,
                directive,
                overlap,
            } => self.order(epoch, release, directive, overlap),
            Event::Withdraw => self.seat.iter_mut().for_each(Seat::withdraw),
            Event::Fetched => {
                self.broken.clear();
                self.whole.extend(wants);
            }
            Event::Unobtainable => self.broken.extend(wants),
            Event::Crash(index) => self.crash(index),
            Event::Stopped => self.end_stopping(),
            Event::Healthy(index) => self.answer(index, Health::Healthy { observations: 2 }),
            Event::Failing(index) => self.fail(index),
            Event::Restart => self.restart(),
            Event::DieAtStart => self.dies_at_start = true,
            Event::Front { in_flight } => self.front(in_flight),
            Event::Answered { errors } => self.answers = Answers { ended: 100, errors },
            Event::Wait { seconds } => self.now += Duration::from_secs(seconds),
            Event::Collect => self.whole.retain(|artifact| keeps.contains(artifact)),
        }
    }

    fn answer(&mut self, index: usize, health: Health) {
        self.running
            .iter_mut()
            .skip(index)
            .take(1)
            .for_each(|running| running.health = health.clone());
    }

    /// Only what was healthy can fail.
    fn fail(&mut self, index: usize) {
        if matches!(self.running.get(index), Some(running) if matches!(running.health, Health::Healthy { .. }))
        {
            self.answer(index, Health::Failing("status 500".to_owned()));
        }
    }

    fn crash(&mut self, index: usize) {
        if self.running.get(index).is_none_or(|running| running.stopping) {
            return;
        }
        let port = self.running.remove(index).task.terms.port;
        let now = self.now;
        self.seat
            .iter_mut()
            .for_each(|seat| seat.failed(port, now, Duration::ZERO, "crashed".to_owned(), &POLICY));
    }

    fn end_stopping(&mut self) {
        for ended in self.running.extract_if(.., |running| running.stopping) {
            self.seat
                .iter_mut()
                .for_each(|seat| seat.stopped(ended.task.terms.port));
        }
    }

    /// As the agent's `fronts` do: point until it is confirmed, then ask about what drains.
    fn front(&mut self, in_flight: u64) {
        let world = self.world();
        let Some(seat) = &self.seat else { return };
        self.held = seat.leaves();
        if self.held.is_some() {
            self.confirmed = None;
        } else if let Some(target) = seat.serves(&world) {
            self.pointed = Some(target);
            self.shares = seat.shares();
            self.confirmed = self.shares.is_none().then_some(target);
        }
        self.in_flight = in_flight;
    }

    fn order(&mut self, epoch: i64, release: i64, directive: Directive, overlap: bool) {
        let mut order = order(epoch, release, directive);
        if overlap {
            order.spec.overlap = Overlap::Always;
        }
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
        if let Some(launch) = seat.record().launching.clone() {
            match self.running.iter().find(|running| running.id == launch.id) {
                Some(running) => seat.started(running.task.process.clone()),
                None => seat.not_started(),
            }
        }
        for running in &mut self.running {
            running.stopping = false;
            running.health = Health::Silent(None);
        }
        self.confirmed = None;
        self.held = None;
        let known: Vec<&TaskRecord> = seat.record().tasks().collect();
        assert_eq!(known.len(), self.running.len());
        assert!(
            self.running.iter().all(|running| known.contains(&&running.task)),
            "a running process is always written down"
        );
    }

    /// Does what the seat asks, and checks that it may ask for it.
    pub fn settle(&mut self) {
        let world = self.world();
        let Some(seat) = &mut self.seat else { return };
        match seat.decide(self.now, &world, &POLICY) {
            Some(Action::Start(order)) => self.start(&order),
            Some(Action::Stop(port)) => self.stop(port),
            None => {}
        }
        self.rename();
        self.check();
    }

    /// A process that runs on for a release of the same bytes has that one's number from now on.
    fn rename(&mut self) {
        let Some(seat) = &self.seat else { return };
        for running in &mut self.running {
            let port = running.task.terms.port;
            if let Some(known) = seat.record().tasks().find(|task| task.terms.port == port) {
                running.task.terms.release = known.terms.release;
            }
        }
    }

    fn start(&mut self, order: &DesiredService) {
        let Some(seat) = &mut self.seat else { return };
        let overlap = order.spec.overlap;
        let alone = self.running.is_empty();
        assert!(self.running.len() < 2, "never three processes");
        assert!(
            alone || (overlap == Overlap::Always && self.running[0].task.terms.overlap == Overlap::Always),
            "never two of a service whose releases may not overlap"
        );
        assert!(
            self.whole.contains(&order.artifact),
            "nothing runs before all of it was verified"
        );
        // One that no process had before: leases rest for a while before they are given out again.
        let port = 20_000 + u16::try_from(self.starts).unwrap();
        self.starts += 1;
        let launch = launch(order, port, self.starts);
        seat.launching(launch.clone());
        let process = process(self.starts);
        self.running.push(Running {
            task: TaskRecord {
                terms: launch.terms,
                process: process.clone(),
            },
            id: launch.id,
            stopping: false,
            health: Health::Silent(None),
        });
        if std::mem::take(&mut self.dies_at_start) {
            self.restart();
        } else {
            seat.started(process);
        }
    }

    fn stop(&mut self, port: u16) {
        let Some(seat) = &self.seat else { return };
        let of_port = |running: &&mut Running| running.task.terms.port == port;
        let healthy =
            |running: &Running| matches!(running.health, Health::Healthy { .. }) && !running.stopping;
        let could_serve = self.running.iter().any(healthy);
        let running = self
            .running
            .iter_mut()
            .find(of_port)
            .expect("only what runs is stopped");
        running.stopping = true;
        let target = (running.task.terms.port, running.task.terms.release);
        if is_warm(seat, port) {
            return;
        }
        let Some(active) = &seat.record().active else {
            return;
        };
        assert!(
            self.whole.contains(&active.artifact),
            "and only for what can be started"
        );
        if seat.record().beside.is_some() {
            assert!(
                !could_serve || self.running.iter().any(healthy),
                "where two overlap, one that can serve is left if there was one"
            );
            let pointed = self.pointed.map(|target| (target.port, target.release));
            let shares = self.shares.map(|target| (target.port, target.release));
            assert!(
                ![pointed, shares].contains(&Some(target)) || !self.running.iter().any(healthy),
                "what requests go to is not stopped while another one could take them"
            );
        } else {
            assert_ne!(
                active.release, target.1,
                "the release that should run is not stopped"
            );
        }
    }

    fn check(&self) {
        let Some(seat) = &self.seat else { return };
        assert_eq!(seat.record().epoch, self.epoch_max, "the epoch never goes back");
        for running in &self.running {
            assert!(
                seat.keeps().any(|kept| *kept == running.task.terms.artifact),
                "what runs is never deleted"
            );
        }
        if let Some(target) = self.pointed {
            assert!(!is_warm(seat, target.port), "what is warm gets no request");
        }
        let known = seat.record().tasks().count();
        assert_eq!(known, self.running.len(), "every process is written down");
        let again = seat.clone().decide(self.now, &self.world(), &POLICY);
        assert!(!matches!(again, Some(Action::Start(_))) || self.running.len() < 2);
        if let Some(instance) = self.instance() {
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

/// Whether the process with this port waits for its turn.
fn is_warm(seat: &Seat, port: u16) -> bool {
    let beside = seat.record().beside.as_ref();
    beside.is_some_and(|beside| beside.role == Role::Warm && beside.task.terms.port == port)
}
