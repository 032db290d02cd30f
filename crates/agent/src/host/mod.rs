//! The state of one host, and the steps from what is to what should be.

mod opening;
mod orders;
mod starting;

pub(crate) use orders::SEATS_MAX;

use crate::fronts::{Fronts, Wish};
use crate::keepers::{End, Keepers};
use crate::ledger::Ledger;
use crate::logs::Running;
use crate::ports::Ports;
use crate::reason::reason;
use crate::releases::Releases;
use crate::seat::{Action, RestartPolicy, Seat, Supply, World};
use crate::shelf::Shelf;
use crate::users::Users;
use crate::{Config, Error, TasksOnExit, metrics};
use model::control::Limits;
use model::host::{HostReport, Neighbour, SERVICES_MAX};
use model::{ArtifactId, DesiredService, Instance, PeerName, ServiceName};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tasks::task::isolation::Means;

/// How many addresses of its own a host reports.
const ADDRESSES_MAX: usize = 4;
/// The pause before the ledger is written again after the disk did not take it.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    config: Config,
    restart_policy: RestartPolicy,
    swarm: swarm::Handle,
    term: i64,
    seats: BTreeMap<ServiceName, Seat>,
    shelf: Shelf,
    keepers: Keepers,
    ports: Ports,
    users: Users,
    /// What keeps tasks apart here, if anything is to.
    means: Option<Means>,
    fronts: Fronts,
    releases: Releases,
    neighbours: Vec<Neighbour>,
    revoked: Vec<PeerName>,
    /// Whether orders were taken in this life. Until then nothing is deleted that they may still name.
    heard: bool,
    /// What the disk has.
    stored: Ledger,
    store_retry_at: Option<Instant>,
    settled_at: Instant,
    /// Held as long as this agent lives.
    _lock: File,
}

impl Host {
    /// Takes every step that can be taken now. Decisions are on the disk before they are acted on.
    ///
    /// # Errors
    /// If writing panicked. A disk that takes nothing only puts the steps off.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        self.settled_at = now;
        let mut actions = self.decide(now);
        self.prepare(now, &mut actions);
        if !self.store(now).await? {
            return Ok(());
        }
        for (service, seat) in &self.seats {
            let folder = &self.config.folder;
            self.releases.tell(folder, service, seat.record()).await;
        }
        for (service, action) in actions {
            match action {
                Action::Start(order) => self.start(now, &order).await,
                Action::Stop(port) => {
                    tracing::info!(service.name = %service, process.port = port, "a task is asked to end");
                    self.keepers.stop(port);
                }
            }
        }
        self.point(now);
        self.swarm.set_limits(&self.limits());
        let wants = self.seats.values().flat_map(Seat::wants).copied().collect();
        self.shelf.fetch(now, &wants);
        let uses = self.seats.values().flat_map(Seat::uses).copied().collect();
        self.shelf.drop_aborted(now, &uses);
        self.shelf.measure(now, &wants);
        if let Err(error) = self.shelf.steer(&self.ordered()).await {
            tracing::warn!(reason = reason(&error), "failed to steer the swarm");
        }
        if self.heard {
            let keeps = self.seats.values().flat_map(Seat::keeps).copied().collect();
            self.shelf.collect(now, &keeps);
        }
        // A task that was just started must be found again.
        self.store(now).await?;
        Ok(())
    }

    fn decide(&mut self, now: Instant) -> Vec<(ServiceName, Action)> {
        let (shelf, keepers, fronts) = (&self.shelf, &self.keepers, &self.fronts);
        let decided = self.seats.iter_mut().filter_map(|(service, seat)| {
            let world = world(shelf, keepers, fronts, service, seat);
            Some((service.clone(), seat.decide(now, &world, &self.restart_policy)?))
        });
        decided.collect()
    }

    /// Says to the frontend what the seats want of it, which the disk has by now.
    fn point(&mut self, now: Instant) {
        for (service, seat) in &self.seats {
            let world = world(&self.shelf, &self.keepers, &self.fronts, service, seat);
            let active = &seat.record().active;
            let wish = match (seat.serves(&world), seat.drains(), active) {
                _ if let (Some(target), Some(order)) = (seat.leaves(), active) => {
                    Wish::Exchange(target, Box::new(order.spec.clone()))
                }
                (Some(blue), _, Some(order)) if let Some(green) = seat.shares() => {
                    Wish::Share(blue, green, Box::new(order.spec.clone()))
                }
                (Some(target), Some(drains), _) if world.front.pointed == Some(target) => Wish::Drain(drains),
                (Some(target), _, Some(order)) => Wish::Point(target, Box::new(order.spec.clone())),
                (_, _, None) if seat.is_leaving() || self.fronts.knows(service) => Wish::Withdraw,
                _ => continue,
            };
            self.fronts.steer(now, service, wish);
        }
        let seats = &self.seats;
        self.fronts
            .keep_only(|service| seats.get(service).is_some_and(|seat| !seat.is_vacant()));
    }

    /// Waits for the next thing that happens here, and notes it.
    ///
    /// # Errors
    /// If a part of the agent panicked.
    pub(crate) async fn next_event(&mut self) -> Result<(), Error> {
        tokio::select! {
            done = self.shelf.next_done() => done,
            done = self.fronts.next_done() => done,
            end = self.keepers.next_end() => {
                self.note(end?);
                Ok(())
            }
        }
    }

    fn note(&mut self, end: End) {
        let Some(seat) = self.seats.get_mut(&end.service) else {
            return;
        };
        let Some(reason) = end.failure else {
            tracing::info!(service.name = %end.service, "task stopped as asked");
            return seat.stopped(end.port);
        };
        ::metrics::counter!(metrics::TASKS_ENDED).increment(1);
        tracing::warn!(service.name = %end.service, reason, "a task ended that should run");
        seat.failed(end.port, Instant::now(), end.ran, reason, &self.restart_policy);
    }

    /// Writes down what must outlive this life, where it changed. Answers whether the disk has it.
    async fn store(&mut self, now: Instant) -> Result<bool, Error> {
        let services = self
            .seats
            .iter()
            .map(|(service, seat)| (service.clone(), seat.record().clone()))
            .collect();
        let ledger = Ledger {
            term: self.term,
            services,
            controls: self.shelf.controls().clone(),
            ports: self.ports.clone(),
            users: self.users.clone(),
            transfers: self.shelf.transfers().clone(),
        };
        if ledger == self.stored {
            return Ok(true);
        }
        let folder = self.config.folder.clone();
        let (ledger, result) = tokio::task::spawn_blocking(move || {
            let result = ledger.store(&folder);
            (ledger, result)
        })
        .await?;
        match result {
            Ok(()) => {
                self.stored = ledger;
                self.store_retry_at = None;
                Ok(true)
            }
            Err(error) => {
                ::metrics::counter!(metrics::LEDGER_FAILED).increment(1);
                tracing::error!(
                    reason = reason(&error),
                    "failed to write the ledger: nothing is done until it can be"
                );
                self.store_retry_at = Some(now + STORE_RETRY);
                Ok(false)
            }
        }
    }

    /// When to settle again although nothing happened, and why.
    pub(crate) fn wake(&self) -> Option<(Instant, &'static str)> {
        // What was due when everything was settled last waits for something else to happen first.
        let now = self.settled_at;
        let store = self.store_retry_at.map(|at| (at, "the ledger is written again"));
        let seats = self.seats.values().filter_map(|seat| seat.wake(now));
        let fronts = self.fronts.wake(now);
        seats.chain(self.shelf.wake(now)).chain(store).chain(fronts).min()
    }

    /// How this host is.
    pub(crate) fn report(&self) -> HostReport {
        let instances = self.seats.iter().filter_map(|(service, seat)| {
            let world = world(&self.shelf, &self.keepers, &self.fronts, service, seat);
            seat.instance(service, &world)
        });
        HostReport {
            host: self.config.host.clone(),
            zone: self.config.zone.clone(),
            labels: self.config.labels.clone(),
            addresses: self
                .swarm
                .addresses()
                .iter()
                .take(ADDRESSES_MAX)
                .cloned()
                .collect(),
            instances: instances.take(SERVICES_MAX).collect::<Vec<Instance>>(),
            complete: self.shelf.complete(),
            arrivals: self.shelf.arrivals(&self.ordered(), &self.limits()),
            trouble: self.shelf.trouble(),
        }
    }

    /// Where the processes that run write.
    pub(crate) fn logs(&self) -> Running {
        let logs = self.seats.iter().flat_map(|(service, seat)| {
            let tasks = seat.record().tasks();
            tasks.map(|task| (service.clone(), task.terms.release, task.process.log().clone()))
        });
        Arc::new(logs.collect())
    }

    /// The lower of the region's limits and this host's own.
    fn limits(&self) -> Limits {
        self.shelf.controls().limits.and(self.config.limits)
    }

    /// Artifacts that the present orders name, of the newest deployment first.
    fn ordered(&self) -> Vec<ArtifactId> {
        let desired = self
            .seats
            .values()
            .filter_map(|seat| seat.record().desired.as_ref());
        // A deployment's identifier begins with its time.
        let by_age: BTreeMap<_, _> = desired.map(|order| (order.deployment, order.artifact)).collect();
        let mut ordered = Vec::new();
        for artifact in by_age.into_values().rev() {
            if !ordered.contains(&artifact) {
                ordered.push(artifact);
            }
        }
        ordered
    }

    /// Ends this life as [`Config::tasks_on_exit`] says.
    pub(crate) async fn close(mut self) -> Result<(), Error> {
        if self.config.tasks_on_exit == TasksOnExit::Stop {
            self.keepers.stop_all();
            while !self.keepers.is_empty() {
                let end = self.keepers.next_end().await?;
                self.note(end);
            }
        }
        self.store(Instant::now()).await?;
        Ok(())
    }
}

/// How things are for one service.
fn world(shelf: &Shelf, keepers: &Keepers, fronts: &Fronts, service: &ServiceName, seat: &Seat) -> World {
    let record = seat.record();
    let supply = |order: Option<&DesiredService>| order.map_or(Supply::Awaited, |order| shelf.supply(order));
    let artifact = record.desired.as_ref().map(|desired| &desired.artifact);
    World {
        desired: supply(record.desired.as_ref()),
        fallback: supply(seat.fallback()),
        active: supply(record.active.as_ref()),
        transfer: artifact
            .map(|artifact| shelf.transfer(artifact))
            .unwrap_or_default(),
        process: keepers.process(record.task.as_ref()),
        beside: keepers.process(record.beside.as_ref().map(|beside| &beside.task)),
        front: fronts.front(service, seat),
    }
}
