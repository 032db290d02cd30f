//! What nodes tell each other, on its way.

use super::World;
use crate::event::Event;
use crate::host::TRANSFER;
use crate::invariants::{self, Violation};
use swarm_core::{Input, Message, News, Peer, Piece};

/// So many notes wait in an inbox at most.
const INBOX_MAX: usize = 64;
/// So many pieces fit a note, as many as small pieces are announced at once; a longer announcement makes several notes.
const NOTE_PIECES: usize = 4;

/// A message for one neighbour.
#[derive(Debug)]
pub(super) struct Letter {
    from: u32,
    from_life: u32,
    to: u32,
    message: Message,
}

/// An announcement, on its way to its readers, the near and the far.
#[derive(Debug)]
pub(super) struct Notice {
    from: u32,
    from_life: u32,
    readers: Vec<Peer>,
    pieces: Vec<Piece>,
    held: u32,
    waiting: u8,
    /// Whether it has arrived at the near ones, or at the far.
    arrived: bool,
}

/// An announcement, or a part of one, that a host's node has not read yet. Small, and without a pointer to
/// elsewhere: most of the time of a large run goes into these.
#[derive(Debug, Clone, Copy)]
struct Note {
    from: u32,
    held: u32,
    waiting: u8,
    /// How many of `pieces` count.
    count: u8,
    pieces: [Piece; NOTE_PIECES],
}

/// What has arrived at a host and is not read yet.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Whether the node might act on news: see [`swarm_core::Node::acts_on_news`].
    pub read_at_once: bool,
    notes: Vec<Note>,
}

impl Inbox {
    pub fn new() -> Self {
        Self {
            read_at_once: true,
            notes: Vec::new(),
        }
    }
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

    pub(super) fn announce(
        &mut self,
        from: u32,
        readers: Vec<Peer>,
        message: Message,
    ) -> Result<(), Violation> {
        let host = &self.hosts[from as usize];
        if host.fate.kind.is_honest() {
            invariants::message_is_true(from, &message, &host.disk)?;
        }
        let Message::Gained {
            pieces,
            held,
            waiting,
        } = message
        else {
            return Ok(());
        };
        let notice = self.notices.add(Notice {
            from,
            from_life: host.life,
            readers,
            pieces,
            held,
            waiting,
            arrived: false,
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
        // It is not there while it is read, which may make more of them.
        let Some(mut notice) = self.notices.take(id) else {
            return Ok(());
        };
        if self.hosts[notice.from as usize].life == notice.from_life {
            let zone = self.hosts[notice.from as usize].zone;
            for &Peer(reader) in &notice.readers {
                let far = reader % self.case.zones != zone;
                if far == across && (self.zone_cut.is_none() || self.reachable(notice.from, reader)) {
                    self.post(&notice, reader)?;
                }
            }
        }
        if std::mem::replace(&mut notice.arrived, true) {
            self.notices.remove(id);
        } else {
            self.notices.put_back(id, notice);
        }
        Ok(())
    }

    fn post(&mut self, notice: &Notice, reader: u32) -> Result<(), Violation> {
        self.tally.messages += 1;
        let inbox = &mut self.inboxes[reader as usize];
        for part in notice.pieces.chunks(NOTE_PIECES) {
            let mut pieces = [0; NOTE_PIECES];
            pieces[..part.len()].copy_from_slice(part);
            inbox.notes.push(Note {
                from: notice.from,
                held: notice.held,
                waiting: notice.waiting,
                count: part.len() as u8,
                pieces,
            });
        }
        // A node that can't act on news reads them before whatever happens to it next.
        if inbox.read_at_once || inbox.notes.len() >= INBOX_MAX {
            self.read_inbox(reader)?;
        }
        Ok(())
    }

    pub(super) fn read_inbox(&mut self, id: u32) -> Result<(), Violation> {
        self.take_in_notes(id);
        self.perform_all(id)
    }

    /// Hands a node what has arrived. What it says to that, if
    /// anything, is still to be done.
    pub(super) fn take_in_notes(&mut self, id: u32) {
        if self.inboxes[id as usize].notes.is_empty() {
            return;
        }
        let clock = self.clock(id, self.now);
        let notes = &mut self.inboxes[id as usize].notes;
        if let Some(node) = &mut self.hosts[id as usize].node {
            let news = notes.iter().map(|note| News {
                peer: Peer(note.from),
                pieces: &note.pieces[..usize::from(note.count)],
                held: note.held,
                waiting: note.waiting,
            });
            node.hear_all(clock, TRANSFER, news);
        }
        notes.clear();
    }
}
