//! How hosts come, meet, part and go.

use super::mail::Inbox;
use super::{NOTICE_US, World};
use crate::event::{Event, FetchId};
use crate::host::{Kind, TRANSFER};
use crate::invariants::Violation;
use rand::RngExt;
use swarm_core::{Config, Input, Node, Peer, Time};

impl World<'_> {
    /// A host's program starts, with what is on its disk.
    pub(super) fn start(&mut self, id: u32) -> Result<(), Violation> {
        if self.hosts[id as usize].lives {
            return Ok(()); // it was to start late, and died and came back before
        }
        let seed = self.rng.random();
        let returns = self.hosts[id as usize].life > 0;
        let starts_late = self.hosts[id as usize].fate.starts_at > Time(0);
        let host = &mut self.hosts[id as usize];
        host.lives = true;
        self.nodes[id as usize] = Some(Node::new(Config::default(), seed));
        let (have, kind) = (host.disk.clone(), host.fate.kind);
        self.tell(
            id,
            Input::TransferStarted {
                transfer: TRANSFER,
                pieces: self.pieces,
                piece_bytes: self.case.piece_length(),
                have,
                role: kind.role(),
            },
        )?;
        if kind != Kind::Seed && self.case.store.is_some() {
            self.offer_store(id, 0)?;
        }
        if returns || starts_late {
            for _ in 0..self.case.neighbours {
                self.replace_neighbour(id);
            }
        }
        Ok(())
    }

    pub(super) fn meet(&mut self, a: u32, b: u32) -> Result<(), Violation> {
        let both_live = self.hosts[a as usize].lives && self.hosts[b as usize].lives;
        if !both_live
            || !self.reachable(a, b)
            || self.hosts[a as usize].knows(b)
            || self.hosts[b as usize].knows(a)
        {
            return Ok(());
        }
        for (id, peer) in [(a, b), (b, a)] {
            let role = self.hosts[peer as usize].fate.kind.role();
            self.tell(
                id,
                Input::PeerJoined {
                    transfer: TRANSFER,
                    peer: Peer(peer),
                    role,
                },
            )?;
            self.hosts[id as usize].contacts.push(peer);
        }
        Ok(())
    }

    pub(super) fn part(&mut self, id: u32, peer: u32) -> Result<(), Violation> {
        if !self.hosts[id as usize].lives || !self.hosts[id as usize].forget(peer) {
            return Ok(());
        }
        let fetching = &mut self.hosts[id as usize].fetching;
        fetching.retain(|fetching| fetching.of != peer);
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

    /// Whatever `id` was sending to `peer` has broken off.
    pub(super) fn end_uploads(&mut self, id: u32, peer: u32) {
        let host = &mut self.hosts[id as usize];
        let fetches = &self.fetches;
        let to_peer = |fetch: &mut FetchId| {
            fetches
                .get(*fetch)
                .is_some_and(|fetch| fetch.by == peer && fetch.answered)
        };
        let ended: Vec<FetchId> = host.serving.extract_if(.., to_peer).collect();
        for fetch in ended {
            // Now, so in this life of the host, or never.
            self.schedule.add(self.now, Event::Served { host: id, fetch });
        }
    }

    pub(super) fn die(&mut self, id: u32) {
        self.nodes[id as usize] = None;
        let host = &mut self.hosts[id as usize];
        host.lives = false;
        host.life += 1;
        host.wake_at = None;
        host.fetching.clear();
        host.serving.clear();
        self.inboxes[id as usize] = Inbox::new();
        for host in std::mem::take(&mut host.contacts) {
            let peer = id;
            self.schedule
                .add(self.in_us(NOTICE_US), Event::Part { host, peer });
        }
    }

    /// A zone loses or regains its way to the others. Both ends notice after a while.
    pub(super) fn cut_off(&mut self, zone: u32) {
        self.zone_cut = Some(zone);
        for id in 0..self.hosts.len() as u32 {
            let across: Vec<u32> = self.hosts[id as usize]
                .contacts
                .iter()
                .copied()
                .filter(|&peer| !self.reachable(id, peer))
                .collect();
            for peer in across {
                self.schedule
                    .add(self.in_us(NOTICE_US), Event::Part { host: id, peer });
            }
        }
    }

    /// The manager hands each host of the zone some neighbours elsewhere again.
    pub(super) fn reunite(&mut self, zone: u32) {
        self.zone_cut = None;
        for id in 0..self.hosts.len() as u32 {
            if self.hosts[id as usize].zone == zone && self.hosts[id as usize].lives {
                self.replace_neighbour(id);
                self.replace_neighbour(id);
            }
        }
    }
}
