//! What an event does to the hosts that it concerns.

use super::{NOTICE_US, REPLACE_US, World};
use crate::event::{Event, FetchId};
use crate::host::{Fetch, Kind, TRANSFER};
use crate::invariants::Violation;
use crate::topology::SEED_MAX;
use rand::RngExt;
use swarm_core::{Input, Miss, Peer, Ticket};

/// How often the manager draws another host when the one it drew won't do.
const DRAWS_MAX: u32 = 16;

impl World<'_> {
    pub(super) fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Meet { a, b } => self.meet(a, b),
            Event::Part { host, peer } => self.part(host, peer),
            Event::Tell { host, life, input } if self.hosts[host as usize].life == life => {
                self.tell(host, input)
            }
            Event::Tell { .. } => Ok(()),
            Event::Arrive { from, to, message } => self.tell(
                to,
                Input::Message {
                    transfer: TRANSFER,
                    peer: Peer(from),
                    message,
                },
            ),
            Event::Request(fetch) => self.request(fetch),
            Event::Cancel(fetch) => self.end_serving(fetch),
            Event::Refused(fetch) => self.miss(fetch, Miss::Refused),
            Event::Delivered(fetch) => self.deliver(fetch),
            Event::Silent(fetch) => {
                self.end_serving(fetch)?;
                self.miss(fetch, Miss::TimedOut)
            }
            Event::Wake { host, life } => self.wake(host, life),
            Event::Die { host } => {
                self.die(host);
                Ok(())
            }
            Event::Rejoin { host } => self.rejoin(host),
        }
    }

    fn meet(&mut self, a: u32, b: u32) -> Result<(), Violation> {
        let both_live = self.hosts[a as usize].lives() && self.hosts[b as usize].lives();
        if !both_live || self.hosts[a as usize].neighbours.contains(&b) {
            return Ok(());
        }
        for (host, peer) in [(a, b), (b, a)] {
            self.hosts[host as usize].neighbours.insert(peer);
            let role = self.hosts[peer as usize].kind.role();
            self.tell(
                host,
                Input::PeerJoined {
                    transfer: TRANSFER,
                    peer: Peer(peer),
                    role,
                },
            )?;
        }
        Ok(())
    }

    fn part(&mut self, id: u32, peer: u32) -> Result<(), Violation> {
        if !self.hosts[id as usize].lives() || !self.hosts[id as usize].neighbours.remove(&peer) {
            return Ok(());
        }
        let fetches = &self.fetches;
        self.hosts[id as usize]
            .fetching
            .retain(|id| fetches.get(id).is_none_or(|fetch| fetch.of != peer));
        self.end_uploads(id, peer);
        self.replace_neighbour(id);
        self.tell(
            id,
            Input::PeerLeft {
                transfer: TRANSFER,
                peer: Peer(peer),
            },
        )
    }

    /// The manager hands `id` some living host with room for another neighbour.
    pub(super) fn replace_neighbour(&mut self, id: u32) {
        for _ in 0..DRAWS_MAX {
            let other = self.rng.random_range(0..self.hosts.len() as u32);
            let host = &self.hosts[other as usize];
            if other != id
                && host.lives()
                && host.neighbours.len() < SEED_MAX as usize
                && !host.neighbours.contains(&id)
            {
                self.schedule
                    .add(self.in_us(REPLACE_US), Event::Meet { a: id, b: other });
                return;
            }
        }
    }

    /// The fetch, if both its ends live on and it was not given up.
    fn standing(&self, id: FetchId) -> Option<Fetch> {
        let fetch = *self.fetches.get(&id)?;
        let by = &self.hosts[fetch.by as usize];
        let of = &self.hosts[fetch.of as usize];
        let same_lives = by.life == fetch.by_life && of.life == fetch.of_life && by.lives() && of.lives();
        (same_lives && of.neighbours.contains(&fetch.by)).then_some(fetch)
    }

    fn request(&mut self, id: FetchId) -> Result<(), Violation> {
        let Some(Fetch { piece, by, of, .. }) = self.standing(id) else {
            return Ok(());
        };
        self.hosts[of as usize].serving.push(id);
        let (peer, ticket) = (Peer(by), Ticket(id));
        self.tell(
            of,
            Input::Requested {
                transfer: TRANSFER,
                peer,
                piece,
                ticket,
            },
        )
    }

    /// The source is done with a request, one way or another.
    fn end_serving(&mut self, id: FetchId) -> Result<(), Violation> {
        let Some(&Fetch { of, of_life, .. }) = self.fetches.get(&id) else {
            return Ok(());
        };
        let host = &mut self.hosts[of as usize];
        let before = host.serving.len();
        host.serving.retain(|serving| *serving != id);
        if host.life != of_life || host.serving.len() == before {
            return Ok(());
        }
        self.tell(of, Input::Served { ticket: Ticket(id) })
    }

    /// Takes a fetch out of those that its host waits for. None if it was given up.
    fn end_fetching(&mut self, id: FetchId) -> Option<Fetch> {
        let fetch = self.fetches.remove(&id)?;
        let host = &mut self.hosts[fetch.by as usize];
        let before = host.fetching.len();
        host.fetching.retain(|fetching| *fetching != id);
        (host.life == fetch.by_life && host.fetching.len() < before).then_some(fetch)
    }

    fn miss(&mut self, id: FetchId, reason: Miss) -> Result<(), Violation> {
        let Some(Fetch { piece, by, of, .. }) = self.end_fetching(id) else {
            return Ok(());
        };
        self.tell(
            by,
            Input::Missed {
                transfer: TRANSFER,
                piece,
                peer: Peer(of),
                reason,
            },
        )
    }

    fn deliver(&mut self, id: FetchId) -> Result<(), Violation> {
        self.end_serving(id)?;
        let broken_off = self.standing(id).is_none();
        let Some(Fetch { piece, by, of, .. }) = self.end_fetching(id).filter(|_| !broken_off) else {
            self.tally.wasted += self.case.piece_bytes;
            return Ok(());
        };
        let peer = Peer(of);
        let kind = self.hosts[of as usize].kind;
        let tally = match kind {
            Kind::Seed => &mut self.tally.from_seeds,
            Kind::Honest => &mut self.tally.from_hosts,
            Kind::Liar | Kind::Staller => &mut self.tally.wasted,
        };
        *tally += self.case.piece_bytes;
        if !kind.is_honest() {
            return self.tell(
                by,
                Input::Rejected {
                    transfer: TRANSFER,
                    piece,
                    peer,
                },
            );
        }
        self.hosts[by as usize].disk.insert(piece);
        self.tell(
            by,
            Input::Stored {
                transfer: TRANSFER,
                piece,
                peer,
            },
        )
    }

    fn wake(&mut self, id: u32, life: u32) -> Result<(), Violation> {
        let host = &mut self.hosts[id as usize];
        if host.life != life || host.wake_at != Some(self.now) {
            return Ok(());
        }
        host.wake_at = None;
        self.tell(id, Input::Timeout)
    }

    fn die(&mut self, id: u32) {
        let host = &mut self.hosts[id as usize];
        host.node = None;
        host.life += 1;
        host.wake_at = None;
        host.fetching.clear();
        host.serving.clear();
        for peer in std::mem::take(&mut host.neighbours) {
            self.schedule
                .add(self.in_us(NOTICE_US), Event::Part { host: peer, peer: id });
        }
    }

    fn rejoin(&mut self, id: u32) -> Result<(), Violation> {
        self.start(id)?;
        for _ in 0..self.case.neighbours {
            self.replace_neighbour(id);
        }
        Ok(())
    }
}
