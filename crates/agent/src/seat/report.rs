//! What a seat tells the manager: how far the desired release has come, and why not further.

use super::{Health, Process, Restarts, Seat, Supply, World};
use crate::reason::cut;
use model::instance::InstanceHealth;
use model::{DesiredService, Instance, ReleaseNumber, ServiceName, TaskState};

impl Seat {
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
            warm_release: self.warm_order().map(|order| order.release),
            state,
            health: self.health(world),
            observations: match state {
                TaskState::Warm => world.beside.observations(),
                _ => world.process.observations(),
            },
            port,
            transfer: world.transfer,
            reason,
        })
    }

    /// How far the desired release has come, and why not further.
    fn standing(&self, desired: &DesiredService, world: &World) -> (TaskState, Option<String>) {
        if !self.is_active(desired.release) {
            return match &world.desired {
                Supply::Whole => self.standing_ahead(world),
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
        if self.shares().is_some_and(|target| target.release == desired) {
            let percent = self.times().split.map_or(0, |split| split.percent);
            let reason = format!("it gets {percent} % of the requests; release {serving} gets the others");
            return (TaskState::Running, Some(reason));
        }
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
        condition(health, &self.restarts)
    }
}

/// How far a process has come that answers so.
pub(super) fn condition(health: &Health, restarts: &Restarts) -> (TaskState, Option<String>) {
    match health {
        // What went wrong last time says more than that nothing listens yet.
        Health::Silent(reason) => (TaskState::Starting, restarts.reason().or_else(|| reason.clone())),
        Health::Answering => (TaskState::Running, None),
        Health::Healthy { .. } => (TaskState::Healthy, None),
        Health::Failing(reason) => (TaskState::Error, Some(reason.clone())),
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
