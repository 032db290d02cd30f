//! What nodes tell each other, on its way.

use super::World;
use crate::event::Event;
use crate::host::{Note, TRANSFER};
use crate::invariants::{self, Violation};
use swarm_core::{Input, Message, Peer};

/// So many announcements wait in an inbox at most.
const INBOX_MAX: usize = 64;

/// A message for one neighbour.
#[derive(Debug)]
pub(super) struct Letter {
    from: u32,
    from_life: u32,
    to: u32,
    message: Message,
}

/// An announcement to all neighbours: one record, whatever their number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    from: u32,
    from_life: u32,
    /// Where its pieces stand in the sender's `announced`.
    begin: u32,
    end: u32,
    waiting: u8,
    /// How many of its two arrivals, near and far, are still to come.
    arrivals: u8,
}

impl World<'_> {
    pub(super) fn send(&mut self, from: u32, to: u32, message: Message) -> Result<(), Violation> {
        let host = &self.hosts[from as usize];
        if host.fate.kind.is_honest() {
            invariants::message_is_true(from, &message, &host.disk)?;
        }
        self.tally.messages += 1;
        let at = self.in_us(self.latency_us(from, to));
        let letter = Letter {
            from,
            from_life: host.life,
            to,
            message,
        };
        let letter = self.letters.add(letter);
        self.schedule.add(at, Event::Letter(letter));
        Ok(())
    }

    pub(super) fn announce(&mut self, from: u32, message: Message) -> Result<(), Violation> {
        let host = &mut self.hosts[from as usize];
        if host.fate.kind.is_honest() {
            invariants::message_is_true(from, &message, &host.disk)?;
        }
        let Message::Gained { pieces, waiting } = message else {
            return Ok(());
        };
        let begin = host.announced.len() as u32;
        host.announced.extend(&pieces);
        let notice = self.notices.add(Notice {
            from,
            from_life: host.life,
            begin,
            end: begin + pieces.len() as u32,
            waiting,
            arrivals: 2,
        });
        for (across, latency) in [
            (false, self.case.latency_in_zone_us),
            (true, self.case.latency_across_us),
        ] {
            self.schedule
                .add(self.in_us(latency), Event::Announced { notice, across });
        }
        Ok(())
    }

    pub(super) fn letter_arrives(&mut self, letter: crate::slab::Id) -> Result<(), Violation> {
        let Some(Letter {
            from,
            from_life,
            to,
            message,
        }) = self.letters.remove(letter)
        else {
            return Ok(());
        };
        let connected = self.hosts[from as usize].life == from_life
            && self.hosts[to as usize].knows(from)
            && self.reachable(from, to);
        if !connected {
            return Ok(());
        }
        self.tell(
            to,
            Input::Message {
                transfer: TRANSFER,
                peer: Peer(from),
                message,
            },
        )
    }

    /// An announcement arrives at the near or the far neighbours.
    pub(super) fn notice_arrives(&mut self, id: crate::slab::Id, across: bool) -> Result<(), Violation> {
        let Some(notice) = self.notices.get_mut(id) else {
            return Ok(());
        };
        notice.arrivals -= 1;
        let Notice {
            from,
            from_life,
            begin,
            end,
            waiting,
            arrivals,
        } = *notice;
        if arrivals == 0 {
            self.notices.remove(id);
        }
        let sender = &self.hosts[from as usize];
        if sender.life != from_life {
            return Ok(());
        }
        let zone = sender.zone;
        for place in 0..sender.contacts.len() {
            // Reading may make a host ban the sender, which shortens the list.
            let Some(&contact) = self.hosts[from as usize].contacts.get(place) else {
                break;
            };
            let begin = begin.max(contact.greeted_at);
            let far = self.hosts[contact.peer as usize].zone != zone;
            if far != across || begin >= end || !self.reachable(from, contact.peer) {
                continue;
            }
            self.tally.messages += 1;
            let note = Note {
                at: self.now,
                from,
                begin,
                end,
                waiting,
            };
            self.deliver_note(contact.peer, note)?;
        }
        Ok(())
    }

    /// A node that can't act on news reads them before whatever happens to it next.
    fn deliver_note(&mut self, to: u32, note: Note) -> Result<(), Violation> {
        let host = &mut self.hosts[to as usize];
        let Some(node) = &host.node else { return Ok(()) };
        let acts = node.acts_on_news();
        host.inbox.push(note);
        if acts || host.inbox.len() >= INBOX_MAX {
            self.read_inbox(to)?;
        }
        Ok(())
    }

    pub(super) fn read_inbox(&mut self, id: u32) -> Result<(), Violation> {
        if self.hosts[id as usize].inbox.is_empty() {
            return Ok(());
        }
        let mut inbox = std::mem::take(&mut self.hosts[id as usize].inbox);
        for note in &inbox {
            let news = &self.hosts[note.from as usize].announced[note.begin as usize..note.end as usize];
            let message = Message::Gained {
                pieces: news.to_vec(),
                waiting: note.waiting,
            };
            let input = Input::Message {
                transfer: TRANSFER,
                peer: Peer(note.from),
                message,
            };
            let clock = self.clock(id, note.at);
            if let Some(node) = self.hosts[id as usize].node.as_mut() {
                node.handle(clock, input);
            }
        }
        inbox.clear();
        self.hosts[id as usize].inbox = inbox; // keeps its memory
        self.perform_all(id)
    }
}
