//! Names of peers within the rules of the swarm.

use crate::{Certificate, PeerId, Role};
use model::HostName;
use std::collections::HashMap;
use swarm_core::Peer;

/// A peer that has shown a valid certificate at some time.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) peer: PeerId,
    /// Its machine, by its newest certificate.
    pub(crate) name: HostName,
    pub(crate) role: Role,
    /// How often it said what no honest peer says.
    pub(crate) offences: u32,
}

/// Gives every identity one name for as long as the node lives, so that a ban outlasts a connection.
/// Only certified peers are named, so there are never more than machines in the region.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_peer: HashMap<PeerId, Peer>,
    known: HashMap<Peer, Known>,
}

impl Names {
    /// Notes what a verified certificate says.
    pub(crate) fn note(&mut self, certificate: &Certificate) {
        let said = certificate.statement();
        // Names are given in order and never taken back.
        let next = Peer(self.by_peer.len() as u32);
        let handle = *self.by_peer.entry(said.peer).or_insert(next);
        let offences = self.known.get(&handle).map_or(0, |known| known.offences);
        let known = Known {
            peer: said.peer,
            name: said.name.clone(),
            role: said.role,
            offences,
        };
        self.known.insert(handle, known);
    }

    /// Notes that a peer said what no honest peer says; its name, and how often that was.
    pub(crate) fn note_offence(&mut self, peer: PeerId) -> Option<(Peer, u32)> {
        let handle = self.of(peer)?;
        let known = self.known.get_mut(&handle)?;
        known.offences += 1;
        Some((handle, known.offences))
    }

    /// The name of a peer, if it has ever been certified.
    pub(crate) fn of(&self, peer: PeerId) -> Option<Peer> {
        self.by_peer.get(&peer).copied()
    }

    /// Who has a name.
    pub(crate) fn known(&self, handle: Peer) -> Option<&Known> {
        self.known.get(&handle)
    }
}
