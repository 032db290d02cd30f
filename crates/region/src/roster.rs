//! The hosts of a region and what each said last, folded to what the control plane has not heard yet.
//!
//! Pure: the time is an argument. One leader has one roster and begins it empty; its hosts fill it within
//! seconds, since each of their reports is a whole state.

use crate::distributions::Seen;
use crate::facts::Facts;
use crate::logs::Whereabouts;
use crate::shares::Shares;
use crate::topology::Topology;
use model::distribution::{Arrival, ArrivalState};
use model::host::{HostReport, Neighbour};
use model::instance::{InstanceHealth, TaskState};
use model::labels::{Place, Placed};
use model::region_report::{HostInstance, REPORT_INSTANCES_MAX};
use model::{ArtifactId, HostName, Instance, RegionName, RegionService, Selector, ServiceName, ZoneName};
use rollout::Candidate;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// A host that was not heard of for this long is LOST.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(30);
/// A lost host is forgotten after this long; what was said of it stays in the database.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// The most hosts of a region.
pub(crate) const HOSTS_MAX: usize = 200_000;

/// Everything that is known of a region's hosts.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    hosts: HashMap<HostName, Host>,
    topology: Topology,
    /// What is to be told of them whatever they run.
    facts: Facts,
    /// Of the hosts that are not lost and can fetch.
    shares: Shares,
    alive: usize,
    /// Hosts with something to tell, first come first served, so that busy ones cannot push others aside.
    queue: VecDeque<HostName>,
    /// Those of the batch that was handed out last and is not accepted yet.
    under_way: Vec<HostName>,
}

#[derive(Debug)]
struct Host {
    zone: ZoneName,
    /// What selectors look at.
    labels: Placed,
    peer: swarm::PeerId,
    addresses: Vec<String>,
    heard_at: Instant,
    lost: bool,
    /// Whether it is in the queue or under way.
    queued: bool,
    seats: BTreeMap<ServiceName, Seat>,
    arrivals: Vec<Arrival>,
}

/// One service on one host.
#[derive(Debug)]
struct Seat {
    /// What the host said last.
    now: Instance,
    /// What the control plane has accepted.
    accepted: Option<Instance>,
}

impl Seat {
    fn is_news(&self) -> bool {
        self.accepted.as_ref() != Some(&self.now)
    }
}

/// The region has as many hosts as a manager takes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the region has {HOSTS_MAX} hosts already")]
pub(crate) struct Full;

impl Roster {
    /// Takes a host's report in, which was checked before.
    pub(crate) fn hear(
        &mut self,
        region: &RegionName,
        peer: swarm::PeerId,
        report: HostReport,
        now: Instant,
    ) -> Result<(), Full> {
        let known = self.hosts.get(&report.host);
        if known.is_none() && self.hosts.len() >= HOSTS_MAX {
            return Err(Full);
        }
        self.facts.hear(&report.host, &report.zone, &report.labels);
        let settled = known.is_some_and(|host| !host.lost && host.zone == report.zone);
        if !settled {
            if let Some(host) = known.filter(|host| !host.lost) {
                self.topology.remove(&report.host, &host.zone);
                self.alive -= 1;
            }
            self.topology.insert(&report.host, &report.zone);
            self.alive += 1;
        }
        match &report.trouble {
            None => self.shares.insert(&report.host),
            // What it was to read, others must.
            Some(_) => self.shares.remove(&report.host),
        }
        let labels = report.labels.placed(&Place {
            region,
            zone: Some(&report.zone),
            host: Some(&report.host),
        });
        let name = report.host.clone();
        let host = self.hosts.entry(report.host).or_insert_with(|| Host {
            zone: report.zone.clone(),
            labels: Placed::default(),
            peer,
            addresses: Vec::new(),
            heard_at: now,
            lost: false,
            queued: false,
            seats: BTreeMap::new(),
            arrivals: Vec::new(),
        });
        host.labels = labels;
        host.zone = report.zone;
        host.peer = peer;
        host.addresses = report.addresses;
        host.heard_at = now;
        host.lost = false;
        host.arrivals = report.arrivals;
        host.seat(report.instances);
        host.enqueue(&name, &mut self.queue);
        Ok(())
    }

    /// Marks hosts that were not heard of for too long; how many became lost.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let mut lost = 0;
        for (name, host) in &mut self.hosts {
            if !host.lost && now.duration_since(host.heard_at) >= LOST_AFTER {
                host.lose(&format!("not heard of for {} s", LOST_AFTER.as_secs()));
                host.enqueue(name, &mut self.queue);
                self.topology.remove(name, &host.zone);
                self.shares.remove(name);
                self.facts.lose(name);
                lost += 1;
            }
        }
        self.alive -= lost;
        self.hosts
            .retain(|_, host| now.duration_since(host.heard_at) < FORGOTTEN_AFTER);
        if self.hosts.len() < self.facts.len() {
            self.facts.retain(|name| self.hosts.contains_key(name));
        }
        lost
    }

    /// Takes hosts whose key was revoked out of everybody's neighbourhood at once, as if they were lost.
    pub(crate) fn revoke(&mut self, revoked: impl Fn(&swarm::PeerId) -> bool) {
        for (name, host) in &mut self.hosts {
            if !host.lost && revoked(&host.peer) {
                host.lose("its key was revoked");
                host.enqueue(name, &mut self.queue);
                self.topology.remove(name, &host.zone);
                self.shares.remove(name);
                self.facts.lose(name);
                self.alive -= 1;
            }
        }
    }

    /// What a host is to read of an artifact from the region's store, one bit a slot.
    pub(crate) fn store_slots(&mut self, artifact: &ArtifactId, host: &HostName) -> u64 {
        self.shares.slots(artifact, host)
    }

    /// Forgets who reads what of all artifacts but these.
    pub(crate) fn retain_shares(&mut self, wanted: impl Fn(&ArtifactId) -> bool) {
        self.shares.retain(wanted);
    }

    /// The hosts that a service's newest release is for.
    pub(crate) fn candidates(&self, service: &RegionService) -> Vec<Candidate<'_>> {
        let Some(newest) = service.newest() else {
            return Vec::new();
        };
        let meant = self
            .hosts
            .iter()
            .filter(|(_, host)| newest.selector.matches(&host.labels));
        let candidates = meant.map(|(name, host)| {
            let said = host.seats.get(&service.service).map(|seat| &seat.now);
            Candidate {
                host: name,
                zone: &host.zone,
                active: said.and_then(|said| said.active_release),
                staged: said
                    .is_some_and(|said| said.desired_release == newest.release && has_bytes(said.state)),
                lost: host.lost,
            }
        });
        candidates.collect()
    }

    /// How many hosts that are not lost and that a selector matches each zone has.
    pub(crate) fn zones(&self, selector: &Selector) -> BTreeMap<ZoneName, u64> {
        if selector.is_empty() {
            return self.topology.zones();
        }
        let mut zones = BTreeMap::new();
        let meant = self
            .hosts
            .values()
            .filter(|host| !host.lost && selector.matches(&host.labels));
        for host in meant {
            *zones.entry(host.zone.clone()).or_default() += 1;
        }
        zones
    }

    /// A host's labels and its place.
    pub(crate) fn labels(&self, host: &HostName) -> Option<&Placed> {
        self.hosts.get(host).map(|host| &host.labels)
    }

    /// Where a host is reached, if it is not lost.
    pub(crate) fn whereabouts(&self, host: &HostName) -> Option<Whereabouts> {
        let host = self.hosts.get(host).filter(|host| !host.lost)?;
        Some(Whereabouts {
            peer: host.peer,
            addresses: host.addresses.clone(),
        })
    }

    /// The peers of these hosts.
    pub(crate) fn peers_of(&self, hosts: &[HostName]) -> Vec<swarm::PeerId> {
        let known = hosts.iter().filter_map(|host| self.hosts.get(host));
        known.map(|host| host.peer).collect()
    }

    /// Hosts that are not lost.
    pub(crate) fn alive(&self) -> usize {
        self.alive
    }

    /// The peers of all hosts that are not lost.
    pub(crate) fn peers(&self) -> Vec<swarm::PeerId> {
        let alive = self.hosts.values().filter(|host| !host.lost);
        alive.map(|host| host.peer).collect()
    }

    /// What a host said last that has come to it whole.
    pub(crate) fn complete(&self, host: &HostName) -> Vec<ArtifactId> {
        let arrivals = self.hosts.get(host).into_iter().flat_map(|host| &host.arrivals);
        let complete = arrivals.filter(|arrival| arrival.state == ArrivalState::Complete);
        complete.map(|arrival| arrival.artifact).collect()
    }

    /// What comes to the hosts that are not lost.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = Seen<'_>> {
        let alive = self.hosts.iter().filter(|(_, host)| !host.lost);
        alive.flat_map(|(name, host)| {
            host.arrivals.iter().map(|arrival| Seen {
                host: name,
                zone: &host.zone,
                arrival,
            })
        })
    }

    /// Whom a host should be connected to.
    pub(crate) fn neighbours(&self, name: &HostName) -> Vec<Neighbour> {
        let Some(host) = self.hosts.get(name) else {
            return Vec::new();
        };
        let others = self.topology.neighbours(name, &host.zone).into_iter();
        others
            .filter_map(|name| {
                let other = self.hosts.get(name)?;
                Some(Neighbour {
                    host: name.clone(),
                    peer: other.peer.to_string(),
                    addresses: other.addresses.clone(),
                })
            })
            .collect()
    }

    /// What is to be told of hosts whatever they run.
    pub(crate) fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// What the control plane has not accepted yet, at most [`REPORT_INSTANCES_MAX`]. What was handed out
    /// before and not accepted comes first, as it is now.
    pub(crate) fn changes(&mut self) -> Vec<HostInstance> {
        let waiting = std::mem::take(&mut self.under_way);
        for name in waiting.into_iter().rev() {
            self.queue.push_front(name);
        }
        let mut changes = Vec::new();
        while let Some(name) = self.queue.front() {
            let told: Vec<_> = match self.hosts.get(name) {
                Some(host) => host.changes(name).collect(),
                None => Vec::new(),
            };
            if changes.len() + told.len() > REPORT_INSTANCES_MAX {
                break;
            }
            changes.extend(told);
            self.under_way.extend(self.queue.pop_front());
        }
        changes
    }

    /// Remembers that the control plane has accepted what [`Roster::changes`] handed out last.
    pub(crate) fn accept(&mut self, accepted: Vec<HostInstance>) {
        for said in accepted {
            let seats = self.hosts.get_mut(&said.host).map(|host| &mut host.seats);
            if let Some(seat) = seats.and_then(|seats| seats.get_mut(&said.instance.service)) {
                seat.accepted = Some(said.instance);
            }
        }
        for name in std::mem::take(&mut self.under_way) {
            if let Some(host) = self.hosts.get_mut(&name) {
                host.queued = false;
                host.enqueue(&name, &mut self.queue);
            }
        }
    }
}

impl Host {
    fn changes<'a>(&'a self, name: &'a HostName) -> impl Iterator<Item = HostInstance> + 'a {
        let changed = self.seats.values().filter(|seat| seat.is_news());
        changed.map(|seat| HostInstance {
            host: name.clone(),
            zone: self.zone.clone(),
            instance: seat.now.clone(),
        })
    }

    fn enqueue(&mut self, name: &HostName, queue: &mut VecDeque<HostName>) {
        if !self.queued && self.seats.values().any(Seat::is_news) {
            self.queued = true;
            queue.push_back(name.clone());
        }
    }

    /// Puts the host's word in the place of what it said before.
    fn seat(&mut self, instances: Vec<Instance>) {
        let mut before = std::mem::take(&mut self.seats);
        for now in instances {
            let accepted = before.remove(&now.service).and_then(|seat| seat.accepted);
            self.seats.insert(now.service.clone(), Seat { now, accepted });
        }
    }

    fn lose(&mut self, reason: &str) {
        self.lost = true;
        for seat in self.seats.values_mut() {
            seat.now.state = TaskState::Lost;
            seat.now.health = InstanceHealth::Unknown;
            seat.now.reason = Some(reason.to_owned());
        }
    }
}

fn has_bytes(state: TaskState) -> bool {
    !matches!(
        state,
        TaskState::Pending | TaskState::Fetching | TaskState::Error | TaskState::Lost
    )
}

#[cfg(test)]
mod tests;
