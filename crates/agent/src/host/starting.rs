//! Starting tasks: first it is written down what will be started and where, then it is started.

use super::Host;
use crate::isolating;
use crate::launch::{self, NotStarted, launch};
use crate::metrics;
use crate::ports::Ground;
use crate::reason::reason;
use crate::seat::{Action, Seat};
use model::{DesiredService, ServiceName};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tasks::task::isolation::Isolation;

/// The kernel's own range where it does not say (ip(7)).
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

impl Host {
    /// Gives every process that is to be started a port and a mark, and takes back the ports of services that are gone.
    /// What can't be started is no longer among the actions.
    pub(super) fn prepare(&mut self, now: Instant, actions: &mut Vec<(ServiceName, Action)>) {
        let unix_now = unix_seconds();
        let seats = &self.seats;
        let stays = |service: &ServiceName| seats.get(service).is_some_and(|seat| !seat.is_vacant());
        self.ports.keep_only(stays, unix_now);
        self.users.keep_only(|service| seats.contains_key(service));
        actions.retain(|(service, action)| match action {
            Action::Stop(_) => true,
            Action::Start(order) => match self.plan(service, order, unix_now) {
                Ok(()) => true,
                Err(error) => {
                    self.note_not_started(now, order, &error);
                    false
                }
            },
        });
    }

    fn plan(&mut self, service: &ServiceName, order: &DesiredService, now: u64) -> Result<(), NotStarted> {
        let Some(seat) = self.seats.get_mut(service) else {
            return Ok(());
        };
        let record = seat.record();
        // Planned before, when the disk did not take it.
        if record
            .launching
            .as_ref()
            .is_some_and(|launch| launch.terms.release == order.release)
        {
            return Ok(());
        }
        let busy: Vec<u16> = record.tasks().map(|task| task.terms.port).collect();
        let ground = Ground {
            allowed: self.config.ports.clone(),
            ephemeral: ephemeral(),
            free: &tasks::port::is_free,
            now,
        };
        let port = self.ports.lease(service, &busy, &ground)?;
        let isolation = match &self.means {
            Some(means) => {
                let artifact = self.shelf.folder(&order.artifact);
                isolating::choose(means, &self.config, order, &artifact, &mut self.users)?
            }
            None => Isolation::default(),
        };
        seat.launching(launch::plan(&self.config, order, port, isolation)?);
        Ok(())
    }

    pub(super) async fn start(&mut self, now: Instant, order: &DesiredService) {
        let service = &order.service;
        let Some(record) = self.seats.get(service).map(Seat::record) else {
            return;
        };
        let Some(plan) = record.launching.clone() else {
            return;
        };
        let logs = record.tasks().map(|task| task.process.log().path.clone());
        let folder = self.shelf.folder(&order.artifact);
        let result = launch(&self.config, order, &folder, &plan, logs.collect()).await;
        let Some(seat) = self.seats.get_mut(service) else {
            return;
        };
        match result {
            Ok(task) => {
                ::metrics::counter!(metrics::TASKS_STARTED).increment(1);
                tracing::info!(
                    service.name = %service, service.release = %order.release, process.id = task.record().pid(),
                    process.port = plan.terms.port, "task started"
                );
                seat.started(task.record().clone());
                let target = launch::target(&self.config, service, folder, &plan.terms);
                self.keepers.keep(service.clone(), task, plan.terms, target);
            }
            Err(error) => self.note_not_started(now, order, &error),
        }
    }

    fn note_not_started(&mut self, now: Instant, order: &DesiredService, error: &NotStarted) {
        let (service, reason) = (&order.service, reason(error));
        tracing::warn!(service.name = %service, service.release = %order.release, reason, "failed to start a task");
        if let Some(seat) = self.seats.get_mut(service) {
            seat.start_failed(order.release, now, reason, &self.restart_policy);
        }
    }
}

fn ephemeral() -> RangeInclusive<u16> {
    tasks::port::ephemeral().unwrap_or_else(|error| {
        tracing::warn!(%error, "the kernel's own range of ports is not known: the usual one is left out");
        USUAL_EPHEMERAL
    })
}

/// Seconds since 1970, for pauses that outlive the agent; 0 for a clock that stands before.
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}
