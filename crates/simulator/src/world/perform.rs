//! What a driver does with a node's outputs.

use super::World;
use crate::event::{Event, FetchId};
use crate::host::Fetch;
use crate::invariants::Violation;
use swarm_core::{Output, Ticket};

impl World<'_> {
    /// Does what the node of `id` says.
    pub(super) fn perform(&mut self, id: u32, output: Output) -> Result<(), Violation> {
        match output {
            Output::Send { peer, message, .. } => self.send(id, peer.0, message),
            Output::Announce { peers, message, .. } => self.announce(id, peers, message),
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

    /// Takes the request that an answer names, which must wait for one.
    fn answer(&mut self, host: u32, ticket: Ticket) -> Result<Fetch, Violation> {
        let id = FetchId::from_number(ticket.0);
        let waits = self.hosts[host as usize].serving.contains(&id);
        let fetch = self.fetches.get_mut(id).filter(|fetch| waits && !fetch.answered);
        let fetch = fetch.ok_or(Violation::AnsweredUnasked {
            host,
            ticket: ticket.0,
        })?;
        fetch.answered = true;
        Ok(*fetch)
    }

    fn serve(&mut self, of: u32, ticket: Ticket) -> Result<(), Violation> {
        let fetch = self.answer(of, ticket)?;
        let host = &self.hosts[of as usize];
        if host.fate.kind.is_honest() && !host.disk.contains(fetch.piece) {
            return Err(Violation::ServesUnheldPiece {
                host: of,
                piece: fetch.piece,
            });
        }
        self.transmit(of, ticket, fetch);
        Ok(())
    }

    pub(super) fn refuse(&mut self, of: u32, ticket: Ticket) -> Result<(), Violation> {
        let fetch = self.answer(of, ticket)?;
        let id = FetchId::from_number(ticket.0);
        self.hosts[of as usize].serving.retain(|serving| *serving != id);
        let at = self.in_us(self.latency_us(of, fetch.by));
        self.schedule.add(at, Event::Refused(id));
        Ok(())
    }

    fn completed(&mut self, id: u32) -> Result<(), Violation> {
        let host = &mut self.hosts[id as usize];
        if !host.disk.is_full() || (host.completed_at.is_some() && host.life == 0) {
            return Err(Violation::CompletedWrongly { host: id });
        }
        if host.completed_at.replace(self.now).is_none() && host.fate.awaited {
            self.awaited -= 1;
        }
        Ok(())
    }

    /// The driver closes the connection; the other end notices.
    fn banned(&mut self, id: u32, peer: u32) -> Result<(), Violation> {
        let of_honest = self
            .hosts
            .get(peer as usize)
            .is_none_or(|host| host.fate.kind.is_honest());
        if of_honest {
            return Err(Violation::BannedHonest { host: id, peer });
        }
        self.hosts[id as usize].forget(peer);
        self.end_uploads(id, peer);
        self.replace_neighbour(id);
        let at = self.in_us(self.latency_us(id, peer));
        self.schedule.add(at, Event::Part { host: peer, peer: id });
        Ok(())
    }
}
