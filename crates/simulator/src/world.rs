//! The region: its hosts, what is on its way, and the time.

mod ahead;
mod happen;
mod life;
mod mail;
mod manager;
mod network;
mod perform;

use crate::Case;
use crate::event::Event;
use crate::fates;
use crate::host::{Fetch, Host};
use crate::invariants::{self, Violation};
use crate::line::Line;
use crate::report::{Failure, Report, Tally};
use crate::schedule::Schedule;
use crate::slab::Slab;
use crate::topology;
use crate::trace::Trace;
use mail::{Inbox, Letter, Notice};
use manager::Hand;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use swarm_core::{Config, Input, Node, Time};

/// How soon a neighbour notices that a host has died: a driver's keep-alive.
const NOTICE_US: u64 = 1_000_000;
/// A driver's time when the run begins, so that clocks can jump back.
const CLOCK_START_US: i64 = 24 * 3600 * 1_000_000;

#[derive(Debug)]
pub struct World<'a> {
    case: &'a Case,
    pieces: u32,
    config: Config,
    now: Time,
    schedule: Schedule<Event>,
    /// Some of what happens next.
    soon: Vec<Event>,
    /// Hosts, then seeds. A host's place is its handle at every node; the store's is behind the last.
    hosts: Vec<Host>,
    /// Of those that live. Apart from them, since most events look at several hosts and run the rules of one.
    nodes: Vec<Option<Node>>,
    store_line: Line,
    store_fails: bool,
    /// The zone that is cut off from the others.
    zone_cut: Option<u32>,
    hands: Vec<Hand>,
    fetches: Slab<Fetch>,
    letters: Slab<Letter>,
    notices: Slab<Notice>,
    inboxes: Vec<Inbox>,
    rng: ChaCha8Rng,
    trace: Trace,
    tally: Tally,
    /// How many hosts must still complete.
    awaited: u32,
}

impl<'a> World<'a> {
    pub fn new(case: &'a Case) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(case.seed);
        let pieces = case.pieces();
        let (fates, events) = fates::draw(case, &mut rng);
        let mut schedule = Schedule::new();
        for (id, fate) in (0..).zip(&fates) {
            schedule.add(fate.starts_at, Event::Start(id));
        }
        for (a, b) in topology::pairs(case, &mut rng) {
            schedule.add(Time(0), Event::Meet { a, b });
        }
        for (at, event) in events {
            schedule.add(at, event);
        }
        Self {
            case,
            pieces,
            config: Config::default(),
            now: Time(0),
            schedule,
            soon: Vec::new(),
            nodes: fates.iter().map(|_| None).collect(),
            inboxes: fates.iter().map(|_| Inbox::new()).collect(),
            awaited: fates.iter().filter(|fate| fate.awaited).count() as u32,
            hosts: (0..)
                .zip(fates)
                .map(|(id, fate)| Host::new(fate, id % case.zones, pieces))
                .collect(),
            store_line: Line::new(case.store.map_or(1, |store| store.up)),
            store_fails: false,
            zone_cut: None,
            hands: Self::deal(case),
            fetches: Slab::new(),
            letters: Slab::new(),
            notices: Slab::new(),
            rng,
            trace: Trace::new(),
            tally: Tally::default(),
        }
    }

    pub fn play(mut self) -> Result<Report, Failure> {
        match self.play_events() {
            Ok(()) => Ok(Report::new(self.case, &self.hosts, self.tally, self.trace.hash())),
            Err(violation) => Err(Failure::Broken {
                after_us: self.now.0,
                violation,
            }),
        }
    }

    fn play_events(&mut self) -> Result<(), Violation> {
        while self.awaited > 0 {
            let Some((at, event)) = self.schedule.next() else {
                return Err(self.stuck());
            };
            if at.0 / 1_000_000 >= self.case.limit_s {
                return Err(self.stuck());
            }
            if self.schedule.take_soon(&mut self.soon) {
                self.look_ahead();
            }
            self.now = at;
            self.tally.events += 1;
            let [kind, one, two] = event.words();
            self.trace.add(&[at.0, kind, one, two]);
            self.happen(event)?;
        }
        invariants::everyone_was_answered(&self.hosts, &self.nodes, &self.fetches, &self.config)
    }

    /// The store's handle at every node.
    fn store_id(&self) -> u32 {
        self.hosts.len() as u32
    }

    /// Whether a byte can get from one to the other. The store is reached from everywhere.
    fn reachable(&self, a: u32, b: u32) -> bool {
        let Some(zone) = self.zone_cut else { return true };
        let inside = |id: u32| self.hosts.get(id as usize).map(|host| host.zone == zone);
        match (inside(a), inside(b)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }

    fn latency_us(&self, a: u32, b: u32) -> u64 {
        if b == self.store_id() {
            // The store's answer comes as late as the case says; the way to it counts in that.
            return 0;
        }
        if self.hosts[a as usize].zone == self.hosts[b as usize].zone {
            self.case.latency_in_zone_us
        } else {
            self.case.latency_across_us
        }
    }

    fn in_us(&self, us: u64) -> Time {
        Time(self.now.0.saturating_add(us))
    }

    fn piece_bytes(&self, piece: u32) -> u64 {
        let length = self.case.piece_length();
        let begins = u64::from(piece) * length;
        length.min(self.case.bytes.saturating_sub(begins))
    }

    fn stuck(&self) -> Violation {
        let is_stuck = |host: &&(u32, &Host)| host.1.fate.awaited && host.1.completed_at.is_none();
        let stuck: Vec<(u32, &Host)> = (0..).zip(&self.hosts).filter(|host| is_stuck(&host)).collect();
        let (host, held) = stuck.first().map_or((0, 0), |(id, host)| (*id, host.disk.held()));
        Violation::Stuck {
            at: self.now,
            count: stuck.len() as u32,
            host,
            held,
        }
    }

    /// What the clock of `id` shows at a moment.
    fn clock(&self, id: u32, at: Time) -> Time {
        let off = i64::from(self.hosts[id as usize].clock_off_s) * 1_000_000;
        Time((at.0 as i64 + CLOCK_START_US + off).max(0) as u64)
    }

    /// Hands an input to a host's node, with what it has not read yet before it, does what it says,
    /// and checks what it holds.
    fn tell(&mut self, id: u32, input: Input) -> Result<(), Violation> {
        // A request is answered the same whatever was heard before it: see `Node::acts_on_news`.
        if !matches!(input, Input::Requested { .. }) {
            self.take_in_notes(id);
        }
        let clock = self.clock(id, self.now);
        if let Some(node) = &mut self.nodes[id as usize] {
            node.handle(clock, input);
        }
        self.perform_all(id)
    }

    /// Does what a node says, and checks what it holds.
    fn perform_all(&mut self, id: u32) -> Result<(), Violation> {
        while let Some(output) = self.nodes[id as usize].as_mut().and_then(Node::poll_output) {
            self.perform(id, output)?;
        }
        self.set_alarm(id)
    }

    fn set_alarm(&mut self, id: u32) -> Result<(), Violation> {
        let shown = self.clock(id, self.now);
        let host = &mut self.hosts[id as usize];
        let Some(node) = &self.nodes[id as usize] else {
            return Ok(());
        };
        invariants::load_is_bounded(id, node.load(), &self.config)?;
        self.inboxes[id as usize].read_at_once = node.acts_on_news();
        let Some((at, _)) = node.poll_timeout() else {
            return Ok(());
        };
        let at = self.now.after(at.since(shown));
        if host.wake_at.is_none_or(|wake_at| at < wake_at) {
            host.wake_at = Some(at);
            let (host, life) = (id, host.life);
            self.schedule.add(at, Event::Wake { host, life });
        }
        Ok(())
    }
}
