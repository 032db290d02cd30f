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
mod report;
mod restarts;
mod sharing;
#[cfg(test)]
mod tests;
mod warm;
mod world;

pub use record::{Beside, Launch, Record, Role, TaskRecord, Terms};
pub use restarts::RestartPolicy;
pub use world::{Action, Front, Health, Process, Supply, World};

use cutover::{Place, Waits};
use model::deployment::Directive;
use model::{ArtifactId, DesiredService, Epoch, ReleaseNumber};
use restarts::Restarts;
use std::time::{Duration, Instant};

/// One service's place on this host.
#[derive(Debug, Clone)]
pub struct Seat {
    record: Record,
    restarts: Restarts,
    /// Those of the process that is warm.
    warm_restarts: Restarts,
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
            replaced: None,
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
            warm_restarts: Restarts::default(),
            waits: Waits::default(),
        }
    }

    /// What must be made durable before anything is done.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Takes an order. One that was taken before changes nothing; within one epoch a release may come to be warm or
    /// activated, and is never less than activated again.
    ///
    /// # Errors
    /// Refuses an order of a smaller epoch than was seen.
    pub fn order(&mut self, order: DesiredService) -> Result<(), Stale> {
        let (seen, offered) = (self.record.epoch, order.epoch);
        if offered < seen {
            return Err(Stale { seen, offered });
        }
        let goes_on = |known: &DesiredService| {
            known.deployment == order.deployment && known.directive != Directive::Activate
        };
        let known = self.record.desired.as_ref();
        if offered > seen || known.is_none_or(goes_on) {
            if known.is_none_or(|known| known.release != order.release) {
                self.warm_restarts = Restarts::default();
            }
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
        self.record.replaced = None;
    }

    /// Whether nothing is left of the service but its epoch.
    pub fn is_vacant(&self) -> bool {
        let record = &self.record;
        record.desired.is_none() && record.tasks().next().is_none() && record.launching.is_none()
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
        let role = if self.is_active(task.terms.release) {
            Role::Rising
        } else {
            Role::Warm
        };
        if self.record.task.is_none() && role == Role::Rising {
            self.record.task = Some(task);
        } else {
            self.waits = Waits::default();
            self.record.beside = Some(Beside { task, role });
        }
    }

    /// The process that was to be launched does not run, with nobody to blame.
    pub fn not_started(&mut self) {
        self.record.launching = None;
    }

    /// The process of a release could not be started.
    pub fn start_failed(
        &mut self,
        release: ReleaseNumber,
        now: Instant,
        reason: String,
        policy: &RestartPolicy,
    ) {
        self.record.launching = None;
        let restarts = if self.is_active(release) {
            &mut self.restarts
        } else {
            &mut self.warm_restarts
        };
        restarts.note(now, Duration::ZERO, reason, policy);
    }

    /// The process with this port ended as it was asked to.
    pub fn stopped(&mut self, port: u16) {
        self.remove(port);
    }

    /// The process with this port ended unasked, after it `ran` so long.
    pub fn failed(&mut self, port: u16, now: Instant, ran: Duration, reason: String, policy: &RestartPolicy) {
        match self.remove(port) {
            // What retired has done its work; that it ends early is no failure.
            None | Some(Place::Beside(Role::Retired)) => {}
            Some(Place::Beside(Role::Warm)) => self.warm_restarts.note(now, ran, reason, policy),
            Some(_) => self.restarts.note(now, ran, reason, policy),
        }
    }

    /// Takes the next step: moves the record on, and says what to do about the processes.
    pub fn decide(&mut self, now: Instant, world: &World, policy: &RestartPolicy) -> Option<Action> {
        let promoted = self.promote(world);
        let leaves_since = self.waits.leaves_since.take();
        let supply = if promoted { &Supply::Whole } else { &world.active };
        let may_start = *supply == Supply::Whole && self.restarts.allow(now);
        let Some(active) = &self.record.active else {
            return stop(&world.process).or_else(|| self.keep_warm(now, world, policy));
        };
        let start = || Action::Start(Box::new(active.clone()));
        match (&self.record.task, &self.record.beside) {
            (None, _) if may_start && self.may_start_beside_warm() => Some(start()),
            (None, _) => self.keep_warm(now, world, policy),
            (Some(_), Some(beside)) if beside.role != Role::Warm => {
                let release = active.release;
                self.cut_over(now, world, release, policy)
            }
            (Some(_), Some(_)) => self.keep_warm(now, world, policy),
            (Some(task), None) if task.terms.release == active.release => self.keep_warm(now, world, policy),
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
            self.rename(before, &next);
        }
        self.restarts = Restarts::default();
        self.end_warmth();
        true
    }

    /// A release that runs exactly as an earlier one whose process is still here, as when something is rolled back, is
    /// the one that runs: the process gets the new number, and nothing is started.
    fn rename(&mut self, before: DesiredService, next: &DesiredService) {
        let replaced = self.record.replaced.take();
        let earlier = [Some(&before), replaced.as_ref()].into_iter().flatten();
        let alike: Vec<ReleaseNumber> = earlier
            .filter(|order| runs_alike(order, next))
            .map(|order| order.release)
            .collect();
        let beside = self
            .record
            .beside
            .as_mut()
            .filter(|beside| beside.role == Role::Retired);
        // The one that serves comes first: with it, nothing changes.
        let mut here = self
            .record
            .task
            .iter_mut()
            .chain(beside.map(|beside| &mut beside.task));
        let known = here.find(|task| alike.contains(&task.terms.release));
        if let Some(task) = known.filter(|_| self.record.launching.is_none()) {
            task.terms.release = next.release;
        }
        self.record.replaced = Some(before);
    }

    /// What is to run until it is the desired order's turn; `None` as long as nothing older runs.
    pub fn fallback(&self) -> Option<&DesiredService> {
        let desired = self.record.desired.as_ref()?;
        let fallback = desired.fallback.as_deref()?;
        let newer = |active: &DesiredService| active.release < fallback.release;
        let waits = desired.directive != Directive::Activate;
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
        let restarts = [self.restarts.wake(now), self.warm_restarts.wake(now)];
        let restarts = restarts.into_iter().flatten();
        let cutover = self.wait_ends(now).map(|at| (at, "a wait of a cut-over is over"));
        restarts
            .map(|at| (at, "a task may be started again"))
            .chain(cutover)
            .min()
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
}

/// Whether a host that runs one of them has nothing to change to run the other.
fn runs_alike(one: &DesiredService, other: &DesiredService) -> bool {
    one.artifact == other.artifact && one.spec == other.spec && one.configuration == other.configuration
}

fn stop(process: &Process) -> Option<Action> {
    match process {
        Process::Up { port, .. } => Some(Action::Stop(*port)),
        Process::Absent | Process::Stopping { .. } => None,
    }
}
