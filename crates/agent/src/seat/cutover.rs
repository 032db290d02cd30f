//! Green beside blue: how the process of one release takes over from that of another without a moment in between.
//!
//! Green rises beside blue, which serves. Once green is healthy, and has answered its share of the requests well where
//! the service asks for one first, the two change places in the record, and from then on the
//! frontend is asked to point at green. Blue is touched only after the frontend has said that it does: it ends what it
//! began, stays warm, and is stopped. Whichever of the two ends meanwhile, the other is what serves.

use super::{Action, Beside, Health, Process, RestartPolicy, Role, Seat, TaskRecord, World};
use crate::frontend::Target;
use model::ReleaseNumber;
use model::service::{Cutover, Overlap};
use std::time::{Duration, Instant};

/// Since when a cut-over is where it is. Forgotten when the agent restarts: then every wait begins anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits {
    pub(super) rising_since: Option<Instant>,
    pointed_since: Option<Instant>,
    drained_since: Option<Instant>,
    /// Since when green has got a share of the requests.
    pub(super) shared_since: Option<Instant>,
    /// Since when the only process is to be exchanged for another one.
    pub(super) leaves_since: Option<Instant>,
    /// The process beside has failed, was reported, and is only to be stopped.
    pub(super) condemned: bool,
}

impl Seat {
    /// Whether the active order's process may run beside the one that serves.
    pub(super) fn overlaps(&self) -> bool {
        let order = self.record.active.as_ref().map(|order| order.spec.overlap);
        let task = self.record.task.as_ref().map(|task| task.terms.overlap);
        (order, task) == (Some(Overlap::Always), Some(Overlap::Always))
    }

    /// The next step while there are two processes and `active` is the release that should serve.
    pub(super) fn cut_over(
        &mut self,
        now: Instant,
        world: &World,
        active: ReleaseNumber,
        policy: &RestartPolicy,
    ) -> Option<Action> {
        match self.record.beside.as_ref()?.role {
            Role::Warm => self.keep_warm(now, world, policy),
            Role::Rising => self.raise(now, world, active, policy),
            Role::Sharing => self.share(now, world, active, policy),
            Role::Retired => self.retire(now, world, active, policy),
        }
    }

    fn raise(
        &mut self,
        now: Instant,
        world: &World,
        active: ReleaseNumber,
        policy: &RestartPolicy,
    ) -> Option<Action> {
        let Process::Up { port, health, .. } = &world.beside else {
            return None;
        };
        // As the record says: it may have got its number in this very moment.
        let release = self.record.beside.as_ref()?.task.terms.release;
        if world.beside.is_healthy() && (release == active || !world.process.is_healthy()) {
            if world.process.is_healthy() && self.begin_share() {
                return None;
            }
            self.swap();
            return None;
        }
        if self.waits.condemned || release != active {
            return Some(Action::Stop(*port));
        }
        let limit = self.rising_seconds();
        if !passed(now, *self.waits.rising_since.get_or_insert(now), limit) {
            return None;
        }
        let reason = too_late(release, limit, health);
        self.restarts.note(now, Duration::ZERO, reason, policy);
        self.waits.condemned = true;
        Some(Action::Stop(*port))
    }

    fn retire(
        &mut self,
        now: Instant,
        world: &World,
        active: ReleaseNumber,
        policy: &RestartPolicy,
    ) -> Option<Action> {
        let (beside, task) = (self.record.beside.as_mut()?, self.record.task.as_ref()?);
        let serving = &task.terms;
        if let (Some(reason), true) = (world.process.failing(), world.beside.is_healthy()) {
            let reason = format!("release {}: {reason}", serving.release);
            self.restarts.note(now, Duration::ZERO, reason, policy);
            self.swap();
            self.waits.condemned = true;
            return None;
        }
        if !self.waits.condemned && beside.task.terms.release == active {
            // The order went back to what ran before.
            beside.role = Role::Rising;
            self.waits = Waits::default();
            return self.raise(now, world, active, policy);
        }
        let hurried = self.waits.condemned || serving.release != active || self.warm_order().is_some();
        if world.front.pointed != Some(target(task)) {
            return None;
        }
        let times = self.times();
        let pointed_since = *self.waits.pointed_since.get_or_insert(now);
        // Once drained, nobody is asked about its requests any more.
        let drained = self.waits.drained_since.is_some() || world.front.in_flight == Some(0);
        if !drained && !passed(now, pointed_since, times.drain_seconds) {
            return None;
        }
        let drained_since = *self.waits.drained_since.get_or_insert(now);
        if !hurried && !passed(now, drained_since, times.warm_seconds) {
            return None;
        }
        match world.beside {
            // The last one that can serve is never stopped.
            Process::Up { .. } if world.beside.is_healthy() && !world.process.is_healthy() => None,
            Process::Up { port, .. } => Some(Action::Stop(port)),
            _ => None,
        }
    }

    /// The two processes change places: the other one serves from now on.
    pub(super) fn swap(&mut self) {
        self.waits = Waits::default();
        let (Some(task), Some(beside)) = (self.record.task.take(), self.record.beside.take()) else {
            return;
        };
        self.record.task = Some(beside.task);
        self.record.beside = Some(Beside {
            task,
            role: Role::Retired,
        });
    }

    /// Takes the process with this port out of the record; the other one is what serves then, if it has had its turn. Says which place it had.
    pub(super) fn remove(&mut self, port: u16) -> Option<Place> {
        let serves = self
            .record
            .task
            .as_ref()
            .is_some_and(|task| task.terms.port == port);
        if serves {
            self.waits = Waits::default();
            let had_turn = self.record.beside.take_if(|beside| beside.role != Role::Warm);
            self.record.task = had_turn.map(|beside| beside.task);
            return Some(Place::Serving);
        }
        let beside = self
            .record
            .beside
            .take_if(|beside| beside.task.terms.port == port)?;
        self.waits = Waits::default();
        Some(Place::Beside(beside.role))
    }

    /// Which process new requests should go to; `None` as long as none can take them.
    pub fn serves(&self, world: &World) -> Option<Target> {
        let task = self.record.task.as_ref();
        task.filter(|_| world.process.is_healthy()).map(target)
    }

    /// The retired process, as long as its requests in flight are waited for.
    pub fn drains(&self) -> Option<Target> {
        let beside = self.record.beside.as_ref()?;
        let waits = self.waits.pointed_since.is_some() && self.waits.drained_since.is_none();
        (waits && beside.role == Role::Retired).then(|| target(&beside.task))
    }

    /// How the rising process of a release is, if there is one that may still come to serve.
    pub(super) fn rising<'a>(&self, release: ReleaseNumber, world: &'a World) -> Option<&'a Health> {
        let beside = self.record.beside.as_ref()?;
        let fits =
            beside.role == Role::Rising && beside.task.terms.release == release && !self.waits.condemned;
        match &world.beside {
            Process::Up { health, .. } if fits => Some(health),
            _ => None,
        }
    }

    /// When the present wait is over, if that is still to come.
    pub(super) fn wait_ends(&self, now: Instant) -> Option<Instant> {
        let (waits, times) = (&self.waits, self.times());
        let ends = [
            (waits.rising_since, self.rising_seconds()),
            (waits.pointed_since, times.drain_seconds),
            (waits.drained_since, times.warm_seconds),
            (waits.shared_since, times.split_seconds()),
            (waits.leaves_since, self.leave_seconds()),
        ];
        ends.into_iter()
            .filter_map(|(since, seconds)| since?.checked_add(Duration::from_secs(seconds.into())))
            .filter(|at| *at > now)
            .min()
    }

    /// How long a process may take to become healthy beside the one that serves.
    pub(super) fn rising_seconds(&self) -> u32 {
        let times = self.warm_order().map(|order| order.spec.cutover.clone());
        times.unwrap_or_else(|| self.times()).healthy_deadline_seconds
    }

    pub(super) fn times(&self) -> Cutover {
        self.record
            .active
            .as_ref()
            .map(|order| order.spec.cutover.clone())
            .unwrap_or_default()
    }
}

/// Where a process stood when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Serving,
    Beside(Role),
}

pub(super) fn target(task: &TaskRecord) -> Target {
    Target {
        port: task.terms.port,
        release: task.terms.release,
    }
}

/// Why a process is stopped that did not become healthy in time.
pub(super) fn too_late(release: ReleaseNumber, limit_seconds: u32, health: &Health) -> String {
    let said = match health {
        Health::Silent(Some(reason)) | Health::Failing(reason) => format!(": {reason}"),
        _ => String::new(),
    };
    format!("release {release} did not become healthy within {limit_seconds} s{said}")
}

pub(super) fn passed(now: Instant, since: Instant, seconds: u32) -> bool {
    now.saturating_duration_since(since) >= Duration::from_secs(seconds.into())
}
