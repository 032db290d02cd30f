//! Reads what is needed soon.
//!
//! A large run waits for memory most of its time: a host was last looked at thousands of events ago, and what is known of it
//! has left the processor's caches since. Many places that are asked for at once come hardly later than one, while what is
//! read event by event comes one place after the other. So once the next few events are known, what they need is
//! read for all of them together. That changes nothing but the time that a run takes.

use super::World;
use crate::event::Event;
use crate::host::TRANSFER;
use std::hint::black_box;
use swarm_core::{Node, Peer, Piece};

impl World<'_> {
    pub(super) fn look_ahead(&self) {
        // What stands in one place tells where the next is, so all events go a step at a time.
        let hosts = || self.soon.iter().filter_map(|event| self.concerned(event));
        let sources = self.soon.iter().filter_map(|event| self.source(event));
        for id in hosts().map(|(id, _)| id).chain(sources) {
            let contacts = &self.hosts[id as usize].contacts;
            black_box((contacts.first(), contacts.last()));
        }
        for (id, _) in hosts() {
            black_box(self.inboxes[id as usize].read_at_once);
        }
        let readers = self.soon.iter().flat_map(|event| self.readers(event));
        for reader in readers {
            black_box(self.inboxes[reader.0 as usize].next().copied());
        }
        for (id, piece) in hosts() {
            let host = &self.hosts[id as usize];
            black_box((host.serving.last(), host.fetching.last()));
            black_box(piece.map(|piece| host.disk.contains(piece)));
            black_box(self.nodes[id as usize].as_ref().map(Node::load));
        }
        for (id, piece) in hosts() {
            if let Some(node) = &self.nodes[id as usize] {
                node.recall(TRANSFER, self.inboxes[id as usize].pieces().chain(piece));
            }
        }
    }

    /// The host whose node an event of the usual kinds is for, and the piece that it is about.
    fn concerned(&self, event: &Event) -> Option<(u32, Option<Piece>)> {
        match *event {
            Event::Wake { host, .. } | Event::Served { host, .. } => Some((host, None)),
            Event::Delivered(id) => {
                let fetch = self.fetches.get(id)?;
                Some((fetch.by, Some(fetch.piece)))
            }
            Event::Request(id) | Event::Sent(id) => {
                let fetch = self.fetches.get(id).filter(|fetch| fetch.of < self.store_id())?;
                Some((fetch.of, Some(fetch.piece)))
            }
            _ => None,
        }
    }

    /// The host that a piece comes from.
    fn source(&self, event: &Event) -> Option<u32> {
        match *event {
            Event::Delivered(id) => Some(self.fetches.get(id)?.of).filter(|&of| of < self.store_id()),
            _ => None,
        }
    }

    /// Who reads an announcement.
    fn readers(&self, event: &Event) -> &[Peer] {
        match *event {
            Event::Announced { notice, across } => self
                .notices
                .get(notice)
                .map_or(&[], |notice| notice.readers_at(across)),
            _ => &[],
        }
    }
}
