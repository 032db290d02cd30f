//! Green ahead of its turn: a release is started beside what runs, becomes healthy, and waits. It gets no request, whatever
//! becomes of the process that serves, until it is ordered to run; from then on it rises as any other.

use super::cutover::{passed, too_late};
use super::report::condition;
use super::{Action, Health, Process, RestartPolicy, Restarts, Role, Seat, Supply, World};
use model::deployment::Directive;
use model::service::Overlap;
use model::{DesiredService, ReleaseNumber, TaskState};
use std::time::{Duration, Instant};

impl Seat {
    /// The order whose release is to wait beside what runs.
    pub(super) fn warm_order(&self) -> Option<&DesiredService> {
        let desired = self.record.desired.as_ref()?;
        let waits = desired.directive == Directive::Warm && !self.is_active(desired.release);
        waits.then_some(desired)
    }

    /// Whether that release may run beside what runs, or should.
    fn may_be_warm(&self, order: &DesiredService) -> bool {
        let active = self.record.active.iter().map(|active| active.spec.overlap);
        let runs = self.record.task.iter().map(|task| task.terms.overlap);
        let mut all = active.chain(runs).chain([order.spec.overlap]);
        all.all(|overlap| overlap == Overlap::Always)
    }

    /// Whether the active order's process may be started although another one is warm.
    pub(super) fn may_start_beside_warm(&self) -> bool {
        let beside = self.record.beside.iter().map(|beside| beside.task.terms.overlap);
        let active = self.record.active.iter().map(|active| active.spec.overlap);
        self.record.beside.is_none() || beside.chain(active).all(|overlap| overlap == Overlap::Always)
    }

    /// The next step for the process that is warm, or is to be, while nothing else is beside the one that serves.
    pub(super) fn keep_warm(
        &mut self,
        now: Instant,
        world: &World,
        policy: &RestartPolicy,
    ) -> Option<Action> {
        let order = self.warm_order().filter(|order| self.may_be_warm(order));
        let (wanted, limit) = (order.map(|order| order.release), self.rising_seconds());
        if self.record.beside.is_none() {
            let may_start = world.desired == Supply::Whole && self.warm_restarts.allow(now);
            return order
                .filter(|_| may_start)
                .map(|order| Action::Start(Box::new(order.clone())));
        }
        let Process::Up {
            release,
            port,
            health,
        } = &world.beside
        else {
            return None;
        };
        if self.waits.condemned || wanted != Some(*release) {
            return Some(Action::Stop(*port));
        }
        if matches!(health, Health::Healthy { .. } | Health::Failing(_)) {
            self.waits.rising_since = None;
            return None;
        }
        if !passed(now, *self.waits.rising_since.get_or_insert(now), limit) {
            return None;
        }
        let reason = too_late(*release, limit, health);
        self.warm_restarts.note(now, Duration::ZERO, reason, policy);
        self.waits.condemned = true;
        Some(Action::Stop(*port))
    }

    /// It is the turn of the release that was warm: its process rises, or serves at once where no other one does.
    pub(super) fn end_warmth(&mut self) {
        self.warm_restarts = Restarts::default();
        let active = self.record.active.as_ref().map(|active| active.release);
        let beside = self
            .record
            .beside
            .take_if(|beside| beside.role == Role::Warm && Some(beside.task.terms.release) == active);
        let Some(mut beside) = beside else { return };
        self.waits.rising_since = None;
        if self.record.task.is_none() && !self.waits.condemned {
            self.record.task = Some(beside.task);
        } else {
            beside.role = Role::Rising;
            self.record.beside = Some(beside);
        }
    }

    /// How far the desired release has come, of which all bytes are here and whose turn has not come.
    pub(super) fn standing_ahead(&self, world: &World) -> (TaskState, Option<String>) {
        let Some(order) = self.warm_order() else {
            return (TaskState::Staged, None);
        };
        if !self.may_be_warm(order) {
            let reason = "it may not run beside what runs here, whose `overlap` is \"never\", or its own";
            return (TaskState::Staged, Some(reason.to_owned()));
        }
        match (self.warmth(order.release, world), self.warm_restarts.reason()) {
            (Some(Health::Healthy { .. }), _) => (TaskState::Warm, None),
            (Some(health), _) => condition(health, &self.warm_restarts),
            (None, Some(reason)) => (TaskState::Error, Some(reason)),
            (None, None) => (TaskState::Starting, None),
        }
    }

    /// How the process of a release is that is warm.
    fn warmth<'a>(&self, release: ReleaseNumber, world: &'a World) -> Option<&'a Health> {
        let beside = self.record.beside.as_ref()?;
        let fits = beside.role == Role::Warm && beside.task.terms.release == release && !self.waits.condemned;
        match &world.beside {
            Process::Up { health, .. } if fits => Some(health),
            _ => None,
        }
    }
}
