//! One service's place on this host: the rules by which orders become actions. No I/O, no clock.
//!
//! A seat holds a durable [`Record`] and is shown the [`World`]. [`Seat::decide`] changes the record and names at most
//! one [`Action`]; the caller makes the record durable first and acts afterwards. Deciding twice about the same world is
//! deciding once, so a lost action only has to be decided again.
//!
//! The bytes are not an action: [`Seat::wants`] and [`Seat::keeps`] say at any time which artifacts should be here and
//! which may stay. Neither is where requests go: [`Seat::serves`], [`Seat::drains`] and [`Seat::leaves`] say what the
//! frontend should do.

mod cutover;
mod exchange;
mod record;
mod restarts;
#[cfg(test)]
mod tests;
mod world;

pub use record::{Beside, Launch, Record, Role, TaskRecord, Terms};
pub use restarts::RestartPolicy;
pub use world::{Action, Front, Health, Process, Supply, World};

use crate::reason::cut;
use cutover::{Place, Waits};
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
    waits: Waits,
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
            launching: None,
            task: None,
            beside: None,
        })
    }

    /// A seat as an earlier life of the agent left it.
    pub fn restore(record: Record) -> Self {
        Self {
            record,
            restarts: Restarts::default(),
            waits: Waits::default(),
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
        let record = &self.record;
        record.desired.is_none() && record.task.is_none() && record.launching.is_none()
    }

    /// Whether the service is no longer ordered here and something of it is still left.
    pub fn is_leaving(&self) -> bool {
        self.record.desired.is_none() && !self.is_vacant()
    }

    /// A process is about to be started. From when this is durable until [`Self::started`] or [`Self::not_started`] it
    /// may run or not.
    pub fn launching(&mut self, launch: Launch) {
        self.record.launching = Some(launch);
    }

    /// The process that was launched runs.
    pub fn started(&mut self, process: tasks::task::Record) {
        let Some(launch) = self.record.launching.take() else {
            return;
        };
        let task = TaskRecord {
            terms: launch.terms,
            process,
        };
        if self.record.task.is_none() {
            self.record.task = Some(task);
        } else {
            let role = Role::Rising;
            self.waits = Waits::default();
            self.record.beside = Some(Beside { task, role });
        }
    }

    /// The process that was to be launched does not run, with nobody to blame.
    pub fn not_started(&mut self) {
        self.record.launching = None;
    }

    /// The process could not be started.
    pub fn start_failed(&mut self, now: Instant, reason: String, policy: &RestartPolicy) {
        self.record.launching = None;
        self.restarts.note(now, Duration::ZERO, reason, policy);
    }

    /// The process with this port ended as it was asked to.
    pub fn stopped(&mut self, port: u16) {
        self.remove(port);
    }

    /// The process with this port ended unasked, after it `ran` so long.
    pub fn failed(&mut self, port: u16, now: Instant, ran: Duration, reason: String, policy: &RestartPolicy) {
        // What retired has done its work; that it ends early is no failure.
        if self
            .remove(port)
            .is_some_and(|place| place != Place::Beside(Role::Retired))
        {
            self.restarts.note(now, ran, reason, policy);
        }
    }

    /// Takes the next step: moves the record on, and says what to do about the processes.
    pub fn decide(&mut self, now: Instant, world: &World, policy: &RestartPolicy) -> Option<Action> {
        let promoted = self.promote(world);
        let leaves_since = self.waits.leaves_since.take();
        let supply = if promoted { &Supply::Whole } else { &world.active };
        let may_start = *supply == Supply::Whole && self.restarts.allow(now);
        let Some(active) = &self.record.active else {
            return stop(&world.beside).or_else(|| stop(&world.process));
        };
        let start = || Action::Start(Box::new(active.clone()));
        match (&self.record.task, &self.record.beside) {
            (None, _) => may_start.then(start),
            (Some(_), Some(_)) => {
                let release = active.release;
                self.cut_over(now, world, release, policy)
            }
            (Some(task), None) if task.terms.release == active.release => None,
            (Some(_), None) if self.overlaps() => may_start.then(start),
            (Some(_), None) => self.exchange(now, world, leaves_since),
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
        if let Some(before) = self.record.active.replace(next.clone()) {
            if before.artifact != next.artifact {
                self.record.previous = Some(before.artifact);
            }
            self.rename(&before, &next);
        }
        self.restarts = Restarts::default();
        true
    }

    /// A release that runs exactly as the one before did, as when something is rolled back that never came here, is the
    /// one that runs: its process gets the new number and nothing is stopped.
    fn rename(&mut self, before: &DesiredService, next: &DesiredService) {
        let alike = before.artifact == next.artifact
            && before.spec == next.spec
            && before.configuration == next.configuration;
        let alone = self.record.beside.is_none() && self.record.launching.is_none();
        let task = self.record.task.as_mut();
        if let Some(task) = task.filter(|task| alike && alone && task.terms.release == before.release) {
            task.terms.release = next.release;
        }
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
        let restart = self
            .restarts
            .wake(now)
            .map(|at| (at, "a task may be started again"));
        let cutover = self.wait_ends(now).map(|at| (at, "a wait of a cut-over is over"));
        restart.into_iter().chain(cutover).min()
    }

    /// Artifacts that should be here.
    pub fn wants(&self) -> impl Iterator<Item = &ArtifactId> {
        let ordered = [&self.record.active, &self.record.desired].into_iter().flatten();
        ordered.chain(self.fallback()).map(|order| &order.artifact)
    }

    /// Artifacts that run, or ran and may have to again.
    pub fn uses(&self) -> impl Iterator<Item = &ArtifactId> {
        let active = self.record.active.as_ref().map(|order| &order.artifact);
        let launching = self.record.launching.iter().map(|launch| &launch.terms.artifact);
        let running = self.record.tasks().map(|task| &task.terms.artifact);
        let ran = active.into_iter().chain(&self.record.previous);
        ran.chain(launching).chain(running)
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
            observations: world.process.observations(),
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
            Process::Up { release, .. } | Process::Stopping { release, .. } => {
                self.standing_beside(desired.release, *release, world)
            }
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
                Health::Healthy { .. } => InstanceHealth::Healthy,
                Health::Failing(_) => InstanceHealth::Failed,
            },
        }
    }

    /// How far the desired release has come while another one still has the place.
    fn standing_beside(
        &self,
        desired: ReleaseNumber,
        serving: ReleaseNumber,
        world: &World,
    ) -> (TaskState, Option<String>) {
        match (self.rising(desired, world), self.restarts.reason()) {
            (Some(health), _) => self.condition(health),
            (None, Some(reason)) => (
                TaskState::Error,
                Some(cut(format!("{reason}; release {serving} goes on serving"))),
            ),
            (None, None) if self.overlaps() => (TaskState::Starting, None),
            (None, None) => (
                TaskState::Staged,
                Some(format!("release {serving} is being stopped")),
            ),
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
            Health::Healthy { .. } => (TaskState::Healthy, None),
            Health::Failing(reason) => (TaskState::Error, Some(reason.clone())),
        }
    }
}

fn stop(process: &Process) -> Option<Action> {
    match process {
        Process::Up { port, .. } => Some(Action::Stop(*port)),
        Process::Absent | Process::Stopping { .. } => None,
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
