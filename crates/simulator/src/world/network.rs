//! Pieces on their way: requests, answers, bytes.

use super::World;
use crate::event::{Event, FetchId};
use crate::host::{Fetch, Fetching, Kind, TRANSFER};
use crate::invariants::{self, Violation};
use crate::line::{self, Line};
use rand::RngExt;
use swarm_core::{Input, Miss, Peer, Piece, Ticket, Time};

/// After so long without a byte a driver gives a fetch up.
const SILENCE_US: u64 = 10_000_000;

impl World<'_> {
    pub(super) fn fetch(&mut self, by: u32, of: u32, piece: Piece) -> Result<(), Violation> {
        let is_store = of == self.store_id();
        invariants::fetch_makes_sense(by, &self.hosts[by as usize], (of, is_store), piece)?;
        let fetch = Fetch {
            piece,
            by,
            by_life: self.hosts[by as usize].life,
            of,
            of_life: self.hosts.get(of as usize).map_or(0, |host| host.life),
            answered: false,
        };
        let id = self.fetches.add(fetch);
        self.hosts[by as usize].fetching.push(Fetching { id, piece, of });
        if is_store {
            self.fetch_of_store(id, fetch);
            return Ok(());
        }
        let chance = if self.case.faults.loss > 0.0 {
            self.rng.random_range(0.0..1.0)
        } else {
            1.0
        };
        let event = match chance / self.case.faults.loss.max(f64::MIN_POSITIVE) {
            lost if lost < 1.0 => return self.lose(id),
            refused if refused < 2.0 => Event::Refused(id),
            _ => Event::Request(id),
        };
        let at = self.in_us(self.latency_us(by, of));
        self.schedule.add(at, event);
        Ok(())
    }

    /// A request never arrives, and its asker's driver notices that nothing comes.
    fn lose(&mut self, id: FetchId) -> Result<(), Violation> {
        self.schedule.add(self.in_us(SILENCE_US), Event::Silent(id));
        Ok(())
    }

    /// The store answers everybody, as fast as it can.
    fn fetch_of_store(&mut self, id: FetchId, fetch: Fetch) {
        let Some(store) = self.case.store else { return };
        if self.store_fails {
            self.schedule.add(self.in_us(SILENCE_US), Event::Silent(id));
            return;
        }
        let bytes = self.piece_bytes(fetch.piece);
        let down = &mut self.hosts[fetch.by as usize].down;
        let at = line::send(&mut self.store_line, down, bytes, store.latency_us, self.now);
        self.schedule.add(at, Event::Delivered(id));
    }

    pub(super) fn abandon(&mut self, by: u32, of: u32, piece: Piece) {
        let fetching = &mut self.hosts[by as usize].fetching;
        let is_meant = |it: &Fetching| it.of == of && it.piece == piece;
        if let Some(index) = fetching.iter().position(is_meant) {
            let id = fetching.swap_remove(index).id;
            let at = self.in_us(self.latency_us(by, of));
            self.schedule.add(at, Event::Cancel(id));
        }
    }

    /// The fetch, if both its ends live on and it was not given up.
    fn standing(&self, id: FetchId) -> Option<Fetch> {
        let fetch = *self.fetches.get(id)?;
        let by = &self.hosts[fetch.by as usize];
        let by_stands = by.life == fetch.by_life && by.lives;
        let Some(of) = self.hosts.get(fetch.of as usize) else {
            return by_stands.then_some(fetch); // the store
        };
        let of_stands = of.life == fetch.of_life && of.lives && of.knows(fetch.by);
        (by_stands && of_stands && self.reachable(fetch.by, fetch.of)).then_some(fetch)
    }

    pub(super) fn request(&mut self, id: FetchId) -> Result<(), Violation> {
        let Some(Fetch { piece, by, of, .. }) = self.standing(id) else {
            return Ok(());
        };
        self.hosts[of as usize].serving.push(id);
        let (peer, ticket) = (Peer(by), Ticket(id.number()));
        if self.hosts[of as usize].fate.kind == Kind::Boaster {
            return self.refuse(of, ticket);
        }
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

    /// Nobody waits for this fetch any more.
    pub(super) fn cancel(&mut self, id: FetchId) -> Result<(), Violation> {
        let Some(fetch) = self.fetches.get(id).copied() else {
            return Ok(());
        };
        if fetch.answered || fetch.of == self.store_id() {
            self.tally.wasted += self.piece_bytes(fetch.piece);
        }
        self.end_serving(id)?;
        self.fetches.remove(id);
        Ok(())
    }

    /// The source is done with a request, one way or another.
    pub(super) fn end_serving(&mut self, id: FetchId) -> Result<(), Violation> {
        let Some(&Fetch { of, of_life, .. }) = self.fetches.get(id) else {
            return Ok(());
        };
        let Some(host) = self.hosts.get_mut(of as usize) else {
            return Ok(()); // the store
        };
        let place = host.serving.iter().position(|serving| *serving == id);
        let Some(place) = place.filter(|_| host.life == of_life) else {
            return Ok(());
        };
        host.serving.swap_remove(place);
        let ticket = Ticket(id.number());
        self.tell(of, Input::Served { ticket })
    }

    /// Takes a fetch out of those that its host waits for. None if it was given up.
    fn end_fetching(&mut self, id: FetchId) -> Option<Fetch> {
        let fetch = self.fetches.remove(id)?;
        let host = &mut self.hosts[fetch.by as usize];
        let place = host.fetching.iter().position(|fetching| fetching.id == id)?;
        host.fetching.swap_remove(place);
        (host.life == fetch.by_life).then_some(fetch)
    }

    pub(super) fn miss(&mut self, id: FetchId, reason: Miss) -> Result<(), Violation> {
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

    pub(super) fn deliver(&mut self, id: FetchId) -> Result<(), Violation> {
        let broken_off = self.standing(id).is_none();
        let length = self
            .fetches
            .get(id)
            .map_or(0, |fetch| self.piece_bytes(fetch.piece));
        let Some(Fetch { piece, by, of, .. }) = self.end_fetching(id).filter(|_| !broken_off) else {
            self.tally.wasted += length;
            return Ok(());
        };
        let source = self.hosts.get(of as usize).map(|host| host.fate.kind);
        let right = source.is_none_or(|kind| kind.sends_right(piece));
        match source {
            _ if !right => self.tally.wasted += length,
            None => self.tally.from_store += length,
            Some(Kind::Seed) => self.tally.from_seeds += length,
            Some(_) => self.tally.from_hosts += length,
        }
        let (transfer, peer) = (TRANSFER, Peer(of));
        if !right {
            let input = Input::Rejected {
                transfer,
                piece,
                peer,
            };
            return self.tell(by, input);
        }
        self.store_piece(by, piece, peer)
    }

    /// The driver writes a piece, if there is room for it.
    fn store_piece(&mut self, id: u32, piece: Piece, peer: Peer) -> Result<(), Violation> {
        let host = &mut self.hosts[id as usize];
        let transfer = TRANSFER;
        if host.fate.kind == Kind::FullDisk && host.disk.held() >= self.pieces / 2 {
            let reason = Miss::Broken;
            self.tell(
                id,
                Input::Missed {
                    transfer,
                    piece,
                    peer,
                    reason,
                },
            )?;
            return self.tell(
                id,
                Input::Paused {
                    transfer,
                    paused: true,
                },
            );
        }
        host.disk.insert(piece);
        self.tell(
            id,
            Input::Stored {
                transfer,
                piece,
                peer,
            },
        )
    }

    /// Begins to send what `of` agreed to send.
    pub(super) fn transmit(&mut self, of: u32, ticket: Ticket, fetch: Fetch) {
        let id = FetchId::from_number(ticket.0);
        if self.hosts[of as usize].fate.kind == Kind::Staller {
            self.schedule.add(self.in_us(SILENCE_US), Event::Silent(id));
            return;
        }
        let latency = self.latency_us(of, fetch.by);
        let bytes = self.piece_bytes(fetch.piece);
        let mut down: Line = self.hosts[fetch.by as usize].down;
        let up = &mut self.hosts[of as usize].up;
        let at = line::send(up, &mut down, bytes, latency, self.now);
        self.hosts[fetch.by as usize].down = down;
        // The last byte has left a latency before it arrives: what waits for the slot need not wait for that.
        let sent_at = Time(at.0.saturating_sub(latency));
        self.schedule.add(sent_at, Event::Sent(id));
        self.schedule.add(at, Event::Delivered(id));
    }
}
