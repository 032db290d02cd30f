//! The run: takes one event after the other and plays driver, network and manager for every node.

mod happen;
mod perform;

use crate::event::{Event, FetchId, Schedule};
use crate::faults::{self, Fates};
use crate::host::{Fetch, Host, Kind, TRANSFER};
use crate::invariants::{self, Violation};
use crate::report::{Failure, Report, percentile};
use crate::trace::Trace;
use crate::{Case, bound, topology};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeSet, HashMap};
use swarm_core::{Config, Input, Node, Time};

/// How soon a neighbour notices that a host has died: a driver's keep-alive.
const NOTICE_US: u64 = 1_000_000;
/// How soon the manager hands out a new neighbour for one that is gone.
const REPLACE_US: u64 = 1_000_000;
/// After so long without a byte a driver gives a fetch up.
const SILENCE_US: u64 = 10_000_000;

#[derive(Debug, Default)]
struct Tally {
    from_seeds: u64,
    from_hosts: u64,
    wasted: u64,
    messages: u64,
    events: u64,
}

#[derive(Debug)]
pub struct World<'a> {
    case: &'a Case,
    config: Config,
    now: Time,
    schedule: Schedule,
    /// Hosts, then seeds. A host's place is its handle at every node.
    hosts: Vec<Host>,
    fetches: HashMap<FetchId, Fetch>,
    next_fetch: FetchId,
    rng: ChaCha8Rng,
    trace: Trace,
    tally: Tally,
    /// Honest hosts that must still complete.
    awaited: BTreeSet<u32>,
    /// Hosts that died at some time.
    died: BTreeSet<u32>,
}

impl<'a> World<'a> {
    pub fn new(case: &'a Case) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(case.seed);
        let Fates { kinds, deaths } = faults::draw(case, &mut rng);
        let hosts: Vec<Host> = (0..)
            .zip(&kinds)
            .map(|(id, &kind)| {
                Host::new(
                    kind,
                    id % case.zones,
                    faults::link(case, kind, &mut rng),
                    case.pieces,
                )
            })
            .collect();
        let mut schedule = Schedule::default();
        for (a, b) in topology::pairs(case, &mut rng) {
            schedule.add(Time(0), Event::Meet { a, b });
        }
        for death in &deaths {
            schedule.add(Time(death.at_ms * 1000), Event::Die { host: death.host });
            if let Some(back) = death.back_at_ms {
                // Not before everybody noticed that it was gone, as a restart takes seconds too.
                let back = (back * 1000).max(death.at_ms * 1000 + 2 * NOTICE_US);
                schedule.add(Time(back), Event::Rejoin { host: death.host });
            }
        }
        let gone = deaths
            .iter()
            .filter(|death| death.back_at_ms.is_none())
            .map(|death| death.host);
        let honest = (0..)
            .zip(&kinds)
            .filter(|(_, kind)| **kind == Kind::Honest)
            .map(|(id, _)| id);
        let mut awaited: BTreeSet<u32> = honest.collect();
        gone.for_each(|host| {
            awaited.remove(&host);
        });
        Self {
            case,
            config: Config::default(),
            now: Time(0),
            schedule,
            hosts,
            fetches: HashMap::new(),
            next_fetch: 0,
            rng,
            trace: Trace::new(),
            tally: Tally::default(),
            awaited,
            died: deaths.iter().map(|death| death.host).collect(),
        }
    }

    pub fn play(mut self) -> Result<Report, Failure> {
        match self.play_events() {
            Ok(()) => Ok(self.report()),
            Err(violation) => Err(Failure::Broken {
                after_us: self.now.0,
                violation,
            }),
        }
    }

    fn play_events(&mut self) -> Result<(), Violation> {
        for host in 0..self.hosts.len() as u32 {
            self.start(host)?;
        }
        while !self.awaited.is_empty() {
            let next = self
                .schedule
                .next()
                .filter(|(at, _)| at.0 / 1_000_000 < self.case.limit_s);
            let Some((at, event)) = next else {
                return Err(self.stuck());
            };
            self.now = at;
            self.tally.events += 1;
            let [kind, one, two] = event.words();
            self.trace.add(&[at.0, kind, one, two]);
            self.happen(event)?;
        }
        self.everyone_was_answered()
    }

    /// A host's program starts, with what is on its disk.
    fn start(&mut self, id: u32) -> Result<(), Violation> {
        let seed = self.rng.random();
        let host = &mut self.hosts[id as usize];
        host.node = Some(Node::new(self.config.clone(), seed));
        let (pieces, have, role) = (self.case.pieces, host.disk.clone(), host.kind.role());
        self.tell(
            id,
            Input::TransferStarted {
                transfer: TRANSFER,
                pieces,
                have,
                role,
            },
        )
    }

    fn latency_us(&self, a: u32, b: u32) -> u64 {
        let zone = |id: u32| self.hosts[id as usize].zone;
        if zone(a) == zone(b) {
            self.case.latency_in_zone_us
        } else {
            self.case.latency_across_us
        }
    }

    fn in_us(&self, us: u64) -> Time {
        Time(self.now.0.saturating_add(us))
    }

    fn stuck(&self) -> Violation {
        let host = self.awaited.first().copied().unwrap_or_default();
        let held = self.hosts[host as usize].disk.held();
        Violation::Stuck {
            at: self.now,
            count: self.awaited.len() as u32,
            host,
            held,
        }
    }

    /// Every request gets its answer, or its host still has all slots busy.
    fn everyone_was_answered(&self) -> Result<(), Violation> {
        for (id, host) in (0..).zip(&self.hosts) {
            let Some(node) = &host.node else { continue };
            if node.load().uploading == self.config.upload_slots {
                continue;
            }
            let waits = |fetch: &&FetchId| self.fetches.get(fetch).is_some_and(|fetch| !fetch.answered);
            let waiting: Vec<&FetchId> = host.serving.iter().filter(waits).collect();
            // A neighbour with its fair share of slots may have more requests than that.
            let count = |by: u32| {
                host.serving
                    .iter()
                    .filter(|it| self.fetches.get(it).is_some_and(|it| it.by == by))
                    .count()
            };
            for fetch in waiting {
                let by = self.fetches[fetch].by;
                if count(by) <= self.config.upload_slots_per_peer {
                    return Err(Violation::NeverAnswered {
                        host: id,
                        ticket: *fetch,
                    });
                }
            }
        }
        Ok(())
    }

    fn report(&self) -> Report {
        let counted: Vec<&Host> = (0..)
            .zip(&self.hosts)
            .filter(|(id, host)| host.kind == Kind::Honest && !self.died.contains(id))
            .map(|(_, host)| host)
            .collect();
        let mut times: Vec<u64> = counted
            .iter()
            .filter_map(|host| host.completed_at)
            .map(|at| at.0)
            .collect();
        times.sort_unstable();
        let links: Vec<_> = counted.iter().map(|host| host.link).collect();
        let bytes = self.case.piece_bytes * u64::from(self.case.pieces);
        let seeds_up = self.case.seed_link.up.saturating_mul(u64::from(self.case.seeds));
        let bound_s = bound::least_seconds(bytes, seeds_up, &links);
        let over = |seconds: f64| if bound_s > 0.0 { seconds / bound_s } else { 1.0 };
        let [p50_s, p99_s, max_s] = [0.5, 0.99, 1.0].map(|share| percentile(&times, share));
        Report {
            hosts: times.len() as u32,
            bound_s,
            p50_s,
            p99_s,
            max_s,
            p50_over_bound: over(p50_s),
            p99_over_bound: over(p99_s),
            max_over_bound: over(max_s),
            bytes_from_seeds: self.tally.from_seeds,
            bytes_from_hosts: self.tally.from_hosts,
            bytes_wasted: self.tally.wasted,
            messages: self.tally.messages,
            events: self.tally.events,
            trace_hash: self.trace.hash(),
        }
    }

    /// Hands an input to a host's node, does what it says, and checks what it holds.
    fn tell(&mut self, id: u32, input: Input) -> Result<(), Violation> {
        let Some(node) = self.hosts[id as usize].node.as_mut() else {
            return Ok(());
        };
        node.handle(self.now, input);
        while let Some(output) = self.hosts[id as usize].node.as_mut().and_then(Node::poll_output) {
            self.perform(id, output)?;
        }
        let host = &mut self.hosts[id as usize];
        let Some(node) = &host.node else { return Ok(()) };
        invariants::load_is_bounded(id, node.load(), &self.config)?;
        if let Some((at, _)) = node.poll_timeout()
            && host.wake_at.is_none_or(|wake_at| at < wake_at)
        {
            let at = at.max(self.now);
            host.wake_at = Some(at);
            self.schedule.add(
                at,
                Event::Wake {
                    host: id,
                    life: host.life,
                },
            );
        }
        Ok(())
    }
}
