//! One service's place on this host: the rules by which orders become actions. No I/O, no clock.
//!
//! A seat holds a durable [`Record`] and is shown the [`World`]. [`Seat::decide`] changes the record and names at most
//! one [`Action`]; the caller makes the record durable first and acts afterwards. Deciding twice about the same world is
//! deciding once, so a lost action only has to be decided again.
//!
//! The bytes are not an action: [`Seat::wants`] and [`Seat::keeps`] say at any time which artifacts should be here and
//! which may stay.

mod record;
mod restarts;
#[cfg(test)]
mod tests;
mod world;

pub use record::{Record, TaskRecord};
pub use restarts::RestartPolicy;
pub use world::{Action, Health, Process, Supply, World};

use model::deployment::Directive;
use model::instance::InstanceHealth;
use model::{ArtifactId, DesiredService, Epoch, Instance, ReleaseNumber, ServiceName, TaskState};
use restarts::Restarts;
use std::time::{Duration, Instant};

/// One service's place on this host.
#[derive(Debug, Clone)]
pub struct Seat {
    record: Record,
    restarts: Restarts,
}

/// An order older than one that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("epoch {offered} is older than {seen}, which was seen before")]
pub struct Stale {
    /// The newest that was seen.
    pub seen: Epoch,
    /// The one that was refused.
    pub offered: Epoch,
}

impl Seat {
    /// A seat for a service that was never ordered before.
    pub fn new(order: DesiredService) -> Self {
        Self::restore(Record {
            epoch: order.epoch,
            desired: Some(order),
            active: None,
            previous: None,
            port: None,
            task: None,
        })
    }

    /// A seat as an earlier life of the agent left it.
    pub fn restore(record: Record) -> Self {
        Self {
            record,
            restarts: Restarts::default(),
        }
    }

    /// What must be made durable before anything is done.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Takes an order. One that was taken before changes nothing; within one epoch a release may come to be activated,
    /// and never goes back to being staged only.
    ///
    /// # Errors
    /// Refuses an order of a smaller epoch than was seen.
    pub fn order(&mut self, order: DesiredService) -> Result<(), Stale> {
        let (seen, offered) = (self.record.epoch, order.epoch);
        if offered < seen {
            return Err(Stale { seen, offered });
        }
        let its_turn = |known: &DesiredService| {
            known.deployment == order.deployment
                && (known.directive, order.directive) == (Directive::Stage, Directive::Activate)
        };
        if offered > seen || self.record.desired.as_ref().is_none_or(its_turn) {
            self.record.epoch = offered;
            self.record.desired = Some(order);
        }
        Ok(())
    }

    /// The service is no longer ordered here. Its epoch is remembered.
    pub fn withdraw(&mut self) {
        self.record.desired = None;
        self.record.active = None;
        self.record.previous = None;
    }

    /// Whether nothing is left of the service but its epoch.
    pub fn is_vacant(&self) -> bool {
        self.record.desired.is_none() && self.record.task.is_none()
    }

    /// The process that was started for this seat.
    pub fn started(&mut self, task: TaskRecord) {
        self.record.port = Some(task.port);
        self.record.task = Some(task);
    }

    /// The process ended as it was asked to.
    pub fn stopped(&mut self) {
        self.record.task = None;
    }

    /// The process ended unasked, after it `ran` so long, or could not be started at all. The port is given up, since
    /// that another program sits on it is one way to fail.
    pub fn failed(&mut self, now: Instant, ran: Duration, reason: String, policy: &RestartPolicy) {
        self.record.task = None;
        self.record.port = None;
        self.restarts.note(now, ran, reason, policy);
    }

    /// Takes the next step: moves the record on, and says what to do about the process.
    pub fn decide(&mut self, now: Instant, world: &World) -> Option<Action> {
        let promoted = self.promote(world);
        let supply = if promoted { &Supply::Whole } else { &world.active };
        match (&self.record.active, &world.process) {
            (Some(order), Process::Absent) if *supply == Supply::Whole && self.restarts.allow(now) => {
                Some(Action::Start(Box::new(order.clone())))
            }
            (Some(order), Process::Up { release, .. }) if *release != order.release => Some(Action::Stop),
            (None, Process::Up { .. }) => Some(Action::Stop),
            _ => None,
        }
    }

    /// Makes the desired order the active one, once it is told to run and all its bytes are here; until then its
    /// fallback, where nothing newer runs. Otherwise the last good release goes on.
    fn promote(&mut self, world: &World) -> bool {
        let Some(desired) = &self.record.desired else {
            return false;
        };
        let next = if desired.directive == Directive::Activate {
            (world.desired == Supply::Whole).then_some(desired)
        } else {
            self.fallback().filter(|_| world.fallback == Supply::Whole)
        };
        let Some(next) = next.filter(|next| !self.is_active(next.release)).cloned() else {
            return false;
        };
        let artifact = next.artifact;
        if let Some(before) = self.record.active.replace(next)
            && before.artifact != artifact
        {
            self.record.previous = Some(before.artifact);
        }
        self.restarts = Restarts::default();
        true
    }

    /// What is to run until it is the desired order's turn; `None` as long as nothing older runs.
    pub fn fallback(&self) -> Option<&DesiredService> {
        let desired = self.record.desired.as_ref()?;
        let fallback = desired.fallback.as_deref()?;
        let newer = |active: &DesiredService| active.release < fallback.release;
        let waits = desired.directive == Directive::Stage;
        (waits && self.record.active.as_ref().is_none_or(newer)).then_some(fallback)
    }

    fn is_active(&self, release: ReleaseNumber) -> bool {
        self.record
            .active
            .as_ref()
            .is_some_and(|active| active.release == release)
    }

    /// When to decide again although nothing happened, and why.
    pub fn wake(&self, now: Instant) -> Option<(Instant, &'static str)> {
        self.restarts
            .wake(now)
            .map(|at| (at, "a task may be started again"))
    }

    /// Artifacts that should be here.
    pub fn wants(&self) -> impl Iterator<Item = &ArtifactId> {
        let ordered = [&self.record.active, &self.record.desired].into_iter().flatten();
        ordered.chain(self.fallback()).map(|order| &order.artifact)
    }

    /// Artifacts that run, or ran and may have to again.
    pub fn uses(&self) -> impl Iterator<Item = &ArtifactId> {
        let active = self.record.active.as_ref().map(|order| &order.artifact);
        let running = self.record.task.as_ref().map(|task| &task.artifact);
        active.into_iter().chain(&self.record.previous).chain(running)
    }

    /// Artifacts that must not be deleted.
    pub fn keeps(&self) -> impl Iterator<Item = &ArtifactId> {
        self.wants().chain(self.uses())
    }

    /// What to tell the manager; `None` for a service that is no longer ordered and has ended.
    pub fn instance(&self, service: &ServiceName, world: &World) -> Option<Instance> {
        let (running_release, port) = match &world.process {
            Process::Absent => (None, None),
            Process::Up { release, port, .. } | Process::Stopping { release, port } => {
                (Some(*release), Some(*port))
            }
        };
        let (desired_release, (state, reason)) = match &self.record.desired {
            Some(desired) => (desired.release, self.standing(desired, world)),
            None => (running_release?, (TaskState::Draining, None)),
        };
        Some(Instance {
            service: service.clone(),
            epoch: self.record.epoch,
            desired_release,
            running_release,
            active_release: self.record.active.as_ref().map(|active| active.release),
            state,
            health: self.health(world),
            observations: 0,
            port,
            transfer: world.transfer,
            reason,
        })
    }

    /// How far the desired release has come, and why not further.
    fn standing(&self, desired: &DesiredService, world: &World) -> (TaskState, Option<String>) {
        if !self.is_active(desired.release) {
            return match &world.desired {
                Supply::Whole => (TaskState::Staged, None),
                supply => on_the_way(supply),
            };
        }
        match &world.process {
            Process::Up { release, health, .. } if *release == desired.release => self.condition(health),
            Process::Stopping { release, .. } if *release == desired.release => (TaskState::Draining, None),
            Process::Up { release, .. } | Process::Stopping { release, .. } => (
                TaskState::Staged,
                Some(format!("release {release} is being stopped")),
            ),
            Process::Absent => match (self.restarts.reason(), &world.desired) {
                (Some(reason), _) => (TaskState::Error, Some(reason)),
                (None, Supply::Whole) => (TaskState::Starting, None),
                (None, supply) => on_the_way(supply),
            },
        }
    }

    /// How the process that serves is.
    fn health(&self, world: &World) -> InstanceHealth {
        match &world.process {
            Process::Absent if self.restarts.reason().is_some() => InstanceHealth::Failed,
            Process::Absent | Process::Stopping { .. } => InstanceHealth::Unknown,
            Process::Up { health, .. } => match health {
                Health::Silent(_) => InstanceHealth::Unknown,
                Health::Answering => InstanceHealth::Degraded,
                Health::Healthy => InstanceHealth::Healthy,
                Health::Failing(_) => InstanceHealth::Failed,
            },
        }
    }

    fn condition(&self, health: &Health) -> (TaskState, Option<String>) {
        match health {
            // What went wrong last time says more than that nothing listens yet.
            Health::Silent(reason) => (
                TaskState::Starting,
                self.restarts.reason().or_else(|| reason.clone()),
            ),
            Health::Answering => (TaskState::Running, None),
            Health::Healthy => (TaskState::Healthy, None),
            Health::Failing(reason) => (TaskState::Error, Some(reason.clone())),
        }
    }
}

fn on_the_way(supply: &Supply) -> (TaskState, Option<String>) {
    match supply {
        Supply::Awaited => (TaskState::Pending, None),
        Supply::Moving | Supply::Whole => (TaskState::Fetching, None),
        Supply::Held(reason) => (TaskState::Pending, Some((*reason).to_owned())),
        Supply::Failed(reason) => (TaskState::Error, Some(reason.clone())),
    }
}
