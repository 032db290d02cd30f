//! What nodes tell each other, on its way.

use super::World;
use crate::event::Event;
use crate::host::TRANSFER;
use crate::invariants::{self, Violation};
use swarm_core::{Input, Message, News, Peer, Piece};

/// So many notes wait in an inbox at most: about as many as come between two other events of a host, and an inbox is
/// four lines of a processor's cache.
const INBOX_MAX: usize = 15;

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
    /// The near ones first.
    readers: Vec<Peer>,
    near: usize,
    pieces: Vec<Piece>,
    held: u32,
    waiting: u8,
    /// Whether it has arrived at the near ones, or at the far.
    arrived: bool,
}

impl Notice {
    /// The near ones, or those in other zones.
    pub fn readers_at(&self, across: bool) -> &[Peer] {
        let (near, far) = self.readers.split_at(self.near);
        if across { far } else { near }
    }
}

/// One piece of an announcement that a host's node has not read yet. Small, and without a pointer to
/// elsewhere: most of the time of a large run goes into these.
#[derive(Debug, Clone, Copy, Default)]
struct Note {
    from: u32,
    piece: Piece,
    held: u32,
    waiting: u8,
}

/// What has arrived at a host and is not read yet.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Inbox {
    /// How many of `notes` are there.
    count: u8,
    /// Whether the node might act on news: see [`swarm_core::Node::acts_on_news`].
    pub read_at_once: bool,
    /// Rarely more than a few, which lie in the line of the above and in the next.
    notes: [Note; INBOX_MAX],
}

impl Inbox {
    pub fn new() -> Self {
        Self {
            count: 0,
            read_at_once: true,
            notes: Default::default(),
        }
    }

    /// Where the next note goes, if there is room.
    pub fn next(&self) -> Option<&(impl Copy + use<>)> {
        self.notes.get(usize::from(self.count))
    }

    /// The pieces that it tells of.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> {
        let notes = &self.notes[..usize::from(self.count)];
        notes.iter().map(|note| note.piece)
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
        mut readers: Vec<Peer>,
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
        let zone = host.zone;
        let is_far = |reader: &mut Peer| reader.0 % self.case.zones != zone;
        let far: Vec<Peer> = readers.extract_if(.., is_far).collect();
        let near = readers.len();
        readers.extend(far);
        let notice = self.notices.add(Notice {
            from,
            from_life: host.life,
            readers,
            near,
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
            for &Peer(reader) in notice.readers_at(across) {
                if self.zone_cut.is_none() || self.reachable(notice.from, reader) {
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
        for &piece in &notice.pieces {
            let inbox = &mut self.inboxes[reader as usize];
            inbox.notes[usize::from(inbox.count)] = Note {
                from: notice.from,
                piece,
                held: notice.held,
                waiting: notice.waiting,
            };
            inbox.count += 1;
            // A node that can't act on news reads them before whatever happens to it next.
            if usize::from(inbox.count) == INBOX_MAX {
                self.read_inbox(reader)?;
            }
        }
        if self.inboxes[reader as usize].read_at_once {
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
        if self.inboxes[id as usize].count == 0 {
            return;
        }
        let clock = self.clock(id, self.now);
        let inbox = &mut self.inboxes[id as usize];
        let notes = &inbox.notes[..usize::from(std::mem::take(&mut inbox.count))];
        if let Some(node) = &mut self.nodes[id as usize] {
            let news = notes.iter().map(|note| News {
                peer: Peer(note.from),
                pieces: std::slice::from_ref(&note.piece),
                held: note.held,
                waiting: note.waiting,
            });
            node.hear_all(clock, TRANSFER, news);
        }
    }
}
