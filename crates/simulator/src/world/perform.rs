//! What a driver does with a node's outputs.

use super::World;
use crate::event::{Event, FetchId};
use crate::host::{Fetch, Kind};
use crate::invariants::{self, Violation};
use crate::line;
use crate::world::SILENCE_US;
use swarm_core::{Input, Message, Output, Piece, Ticket};

impl World<'_> {
    /// Does what the node of `id` says.
    pub(super) fn perform(&mut self, id: u32, output: Output) -> Result<(), Violation> {
        match output {
            Output::Send { peer, message, .. } => self.send(id, peer.0, message),
            Output::Announce { transfer, message } => {
                let node = self.hosts[id as usize].node.as_ref();
                let neighbours = node.into_iter().flat_map(|node| node.neighbours(transfer));
                let neighbours: Vec<u32> = neighbours.map(|peer| peer.0).collect();
                neighbours
                    .into_iter()
                    .try_for_each(|peer| self.send(id, peer, message.clone()))
            }
            Output::Fetch { peer, piece, .. } => self.fetch(id, peer.0, piece),
            Output::Abandon { peer, piece, .. } => {
                self.abandon(id, peer.0, piece);
                Ok(())
            }
            Output::Serve { ticket } => self.serve(id, ticket),
            Output::Refuse { ticket } => self.refuse(id, ticket),
            Output::Completed { .. } => self.completed(id),
            Output::Banned { peer, .. } => self.banned(id, peer.0),
        }
    }

    fn send(&mut self, from: u32, to: u32, message: Message) -> Result<(), Violation> {
        let host = &self.hosts[from as usize];
        if host.kind.is_honest() {
            invariants::message_is_true(from, &message, &host.disk)?;
        }
        self.tally.messages += 1;
        let at = self.in_us(self.latency_us(from, to));
        self.schedule.add(at, Event::Arrive { from, to, message });
        Ok(())
    }

    fn fetch(&mut self, by: u32, of: u32, piece: Piece) -> Result<(), Violation> {
        let host = &self.hosts[by as usize];
        let same = |id: &&FetchId| self.fetches.get(id).is_some_and(|fetch| fetch.piece == piece);
        let wrong = if host.disk.contains(piece) {
            Some("it has that piece")
        } else if !host.neighbours.contains(&of) {
            Some("that is no neighbour")
        } else if host.fetching.iter().filter(same).count() >= 2 {
            Some("it waits for two copies already")
        } else {
            None
        };
        if let Some(why) = wrong {
            return Err(Violation::FetchesWrongly {
                host: by,
                peer: of,
                piece,
                why,
            });
        }
        let (by_life, of_life) = (host.life, self.hosts[of as usize].life);
        let id = self.next_fetch;
        self.next_fetch += 1;
        self.fetches.insert(
            id,
            Fetch {
                piece,
                by,
                by_life,
                of,
                of_life,
                answered: false,
            },
        );
        self.hosts[by as usize].fetching.push(id);
        let at = self.in_us(self.latency_us(by, of));
        self.schedule.add(at, Event::Request(id));
        Ok(())
    }

    fn abandon(&mut self, by: u32, of: u32, piece: Piece) {
        let fetching = &mut self.hosts[by as usize].fetching;
        let fetches = &self.fetches;
        let is_meant = |id: &FetchId| fetches.get(id).is_some_and(|it| it.of == of && it.piece == piece);
        if let Some(index) = fetching.iter().position(is_meant) {
            let id = fetching.swap_remove(index);
            let at = self.in_us(self.latency_us(by, of));
            self.schedule.add(at, Event::Cancel(id));
        }
    }

    /// Takes the request that an answer names, which must wait for one.
    fn answer(&mut self, host: u32, ticket: Ticket) -> Result<Fetch, Violation> {
        let waits = self.hosts[host as usize].serving.contains(&ticket.0);
        let fetch = self
            .fetches
            .get_mut(&ticket.0)
            .filter(|fetch| waits && !fetch.answered);
        let fetch = fetch.ok_or(Violation::AnsweredUnasked {
            host,
            ticket: ticket.0,
        })?;
        fetch.answered = true;
        Ok(*fetch)
    }

    fn serve(&mut self, of: u32, ticket: Ticket) -> Result<(), Violation> {
        let fetch = self.answer(of, ticket)?;
        let kind = self.hosts[of as usize].kind;
        if kind.is_honest() && !self.hosts[of as usize].disk.contains(fetch.piece) {
            return Err(Violation::ServesUnheldPiece {
                host: of,
                piece: fetch.piece,
            });
        }
        if kind == Kind::Staller {
            self.schedule.add(self.in_us(SILENCE_US), Event::Silent(ticket.0));
            return Ok(());
        }
        let latency = self.latency_us(of, fetch.by);
        let mut down = self.hosts[fetch.by as usize].down;
        let up = &mut self.hosts[of as usize].up;
        let at = line::send(up, &mut down, self.case.piece_bytes, latency, self.now);
        self.hosts[fetch.by as usize].down = down;
        self.schedule.add(at, Event::Delivered(ticket.0));
        Ok(())
    }

    fn refuse(&mut self, of: u32, ticket: Ticket) -> Result<(), Violation> {
        let fetch = self.answer(of, ticket)?;
        self.hosts[of as usize].serving.retain(|id| *id != ticket.0);
        let at = self.in_us(self.latency_us(of, fetch.by));
        self.schedule.add(at, Event::Refused(ticket.0));
        Ok(())
    }

    fn completed(&mut self, id: u32) -> Result<(), Violation> {
        let host = &mut self.hosts[id as usize];
        if !host.disk.is_full() || (host.completed_at.is_some() && !self.died.contains(&id)) {
            return Err(Violation::CompletedWrongly { host: id });
        }
        host.completed_at = Some(self.now);
        self.awaited.remove(&id);
        Ok(())
    }

    /// The driver closes the connection; the other end notices.
    fn banned(&mut self, id: u32, peer: u32) -> Result<(), Violation> {
        if self.hosts[peer as usize].kind.is_honest() {
            return Err(Violation::BannedHonest { host: id, peer });
        }
        self.hosts[id as usize].neighbours.remove(&peer);
        self.end_uploads(id, peer);
        self.replace_neighbour(id);
        let at = self.in_us(self.latency_us(id, peer));
        self.schedule.add(at, Event::Part { host: peer, peer: id });
        Ok(())
    }

    /// Whatever `id` was sending to `peer` has broken off.
    pub(super) fn end_uploads(&mut self, id: u32, peer: u32) {
        let host = &mut self.hosts[id as usize];
        let fetches = &self.fetches;
        let to_peer = |fetch: &FetchId| {
            fetches
                .get(fetch)
                .is_some_and(|fetch| fetch.by == peer && fetch.answered)
        };
        let ended: Vec<FetchId> = host.serving.extract_if(.., |id| to_peer(id)).collect();
        let life = host.life;
        for fetch in ended {
            let input = Input::Served {
                ticket: Ticket(fetch),
            };
            self.schedule.add(
                self.now,
                Event::Tell {
                    host: id,
                    life,
                    input,
                },
            );
        }
    }
}
