//! Who may stay: hellos, and what follows from them.

use super::Swarm;
use crate::behaviour::Event;
use crate::security::Failed;
use crate::session::{Greeting, Session};
use crate::status::{BannedPeer, PeerStatus, Status};
use crate::wire::codec::{Answer, Request};
use crate::wire::control::Control;
use crate::wire::hello::Hello;
use crate::{Certificate, Error, InvalidCertificate, PeerId, Role, metrics};
use libp2p::request_response::Message;
use libp2p::swarm::ConnectionId;
use std::collections::HashSet;
use swarm_core::{Input, Peer};
use tokio::time::Instant;

/// Banned peers that are remembered; of more, the earliest is forgotten.
const BANNED_MAX: usize = 1024;

/// Malformed frames of one peer that may be an accident, of a wire or of a version.
const OFFENCES_MAX: u32 = 3;

impl Swarm {
    pub(super) fn on_hello(&mut self, event: Event) {
        match event {
            Event::Message {
                peer,
                connection_id,
                message: Message::Request { request, channel, .. },
            } => {
                let peer = PeerId(peer);
                match self.examine(peer, &request.body) {
                    Ok(hello) => {
                        let (hellos, welcome) = (&mut self.network.behaviour_mut().hello, Vec::new());
                        // A speaker that went away needs no welcome.
                        drop(hellos.send_response(channel, Answer::Body(welcome)));
                        self.accept(peer, connection_id, hello);
                    }
                    Err(reason) => self.refuse_stranger(peer, &reason),
                }
            }
            Event::Message {
                peer,
                message: Message::Response { request_id, .. },
                ..
            } => {
                if let Some(session) = self.sessions.get_mut(&PeerId(peer)) {
                    session.hello_welcomed(request_id);
                }
                self.join(PeerId(peer));
            }
            Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "a hello got no welcome");
                if let Some(session) = self.sessions.get_mut(&PeerId(peer)) {
                    session.hello_failed(Instant::now(), request_id);
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// Whether a hello opens the door to this peer.
    fn examine(&self, peer: PeerId, body: &[u8]) -> Result<Hello, InvalidCertificate> {
        let hello = Hello::decode(body)?;
        self.security.examine(peer, &hello.certificate)?;
        Ok(hello)
    }

    fn accept(&mut self, peer: PeerId, connection: ConnectionId, hello: Hello) {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        self.names.note(&hello.certificate);
        let name = hello.certificate.statement().name.clone();
        let greeting = session.greeted(Instant::now(), hello);
        match greeting {
            Greeting::Known => {}
            Greeting::New => tracing::debug!(%peer, %name, "a peer was accepted"),
            Greeting::Restarted => {
                tracing::debug!(%peer, %name, "a peer was restarted");
                // Nobody listens at the far end of its old connections.
                for old in session.others(connection) {
                    session.closed(old);
                    self.network.close_connection(old);
                }
                session.change_own_door(self.bulk.begin(peer));
                self.part(peer);
            }
        }
        self.greet(peer);
        self.join(peer);
    }

    /// Closes a peer's connections because it has shown nothing that opens the door. Nothing that it
    /// sent was answered or kept.
    pub(super) fn refuse_stranger(&mut self, peer: PeerId, reason: &InvalidCertificate) {
        tracing::warn!(%peer, %reason, "a peer without a valid certificate was refused");
        metrics::count(metrics::STRANGERS_REFUSED, 1);
        self.disconnect(peer);
    }

    /// Says hello if it is time to.
    pub(super) fn greet(&mut self, peer: PeerId) {
        let wanted = self.is_wanted(peer);
        let now = Instant::now();
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        if session.hello_due(now, wanted) {
            let hello = Hello {
                process: self.process,
                certificate: self.config.certificate.clone(),
                bulk: session.own_door(),
            };
            let hello = Request::new(hello.encode(), 0);
            let request = self.network.behaviour_mut().hello.send_request(&peer.0, hello);
            session.hello_sent(now, request);
        }
    }

    /// Shows another certificate, to those who come and to those who are here.
    pub(super) fn renew(&mut self, certificate: Certificate) -> Result<(), Error> {
        self.security.examine(self.config.identity.peer(), &certificate)?;
        self.security.show(&certificate).map_err(Failed::into_error)?;
        tracing::info!(not_after = %certificate.statement().not_after, "the certificate was renewed");
        self.config.certificate = certificate;
        let peers: Vec<PeerId> = self.sessions.keys().copied().collect();
        for peer in peers {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.repeat_hello(Instant::now());
            }
            self.greet(peer);
        }
        Ok(())
    }

    /// Keeps these peers out from now on.
    pub(super) fn set_revoked(&mut self, peers: HashSet<PeerId>) {
        let here: Vec<PeerId> = self
            .sessions
            .keys()
            .copied()
            .filter(|peer| peers.contains(peer))
            .collect();
        self.security.revoke(peers);
        for peer in here {
            tracing::info!(%peer, "a revoked peer is disconnected");
            self.disconnect(peer);
        }
    }

    /// Whether a connection is worth a heartbeat: to a neighbour, and to who takes part in the same.
    fn is_wanted(&self, peer: PeerId) -> bool {
        let together = |session: &Session| self.artifacts.keys().any(|artifact| session.announced(artifact));
        self.dialer.wants(peer) || self.sessions.get(&peer).is_some_and(together)
    }

    /// Lets a peer take part once both ends have accepted each other.
    fn join(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        if !session.is_ready() || session.joined {
            return;
        }
        session.joined = true;
        self.dialer.connected(peer);
        let shared: Vec<_> = self
            .transfers
            .values()
            .filter(|it| it.is_shared())
            .map(|it| (it.id, it.artifact()))
            .collect();
        for (transfer, artifact) in shared {
            self.say(peer, &Control::Join(artifact));
            self.meet(peer, transfer, artifact);
        }
        self.send_waiting_calls(peer);
    }

    /// Tells the rules that the peer and we take part in the same artifact, if so.
    pub(super) fn meet(
        &mut self,
        peer: PeerId,
        transfer: swarm_core::TransferId,
        artifact: model::ArtifactId,
    ) {
        let Some(session) = self.sessions.get(&peer) else {
            return;
        };
        let (Some(role), Some(handle)) = (session.role(), self.names.of(peer)) else {
            return;
        };
        if session.joined && session.announced(&artifact) {
            let role = match role {
                Role::Manager => swarm_core::Role::Seed,
                Role::Host => swarm_core::Role::Host,
            };
            self.tell(Input::PeerJoined {
                transfer,
                peer: handle,
                role,
            });
        }
    }

    /// Tells the rules that a peer takes part in nothing any more.
    pub(super) fn part(&mut self, peer: PeerId) {
        self.talking.remove(&peer);
        let Some(handle) = self.names.of(peer) else { return };
        self.abandon_peer(handle);
        let shared: Vec<_> = self
            .transfers
            .values()
            .filter(|it| it.is_shared())
            .map(|it| it.id)
            .collect();
        for transfer in shared {
            self.tell(Input::PeerLeft {
                transfer,
                peer: handle,
            });
        }
    }

    /// A peer said what no honest peer says. It is disconnected, and kept out if that was not the first
    /// time.
    pub(super) fn offended(&mut self, peer: PeerId, what: &str) {
        tracing::warn!(%peer, what, "a peer is disconnected");
        metrics::count(metrics::OFFENCES, 1);
        match self.names.note_offence(peer) {
            Some((handle, OFFENCES_MAX..)) => self.ban(handle, what),
            _ => self.disconnect(peer),
        }
    }

    /// Keeps out a peer that broke the rules, and says who it is.
    pub(super) fn ban(&mut self, handle: Peer, reason: &str) {
        let Some(known) = self.names.known(handle) else {
            return;
        };
        let (peer, name) = (known.peer, known.name.clone());
        if self.banned.iter().any(|banned| banned.peer == peer) {
            return;
        }
        tracing::warn!(%peer, %name, %reason, "a peer was banned");
        metrics::count(metrics::PEERS_BANNED, 1);
        if self.banned.len() == BANNED_MAX {
            self.banned.pop_front();
        }
        self.banned.push_back(BannedPeer {
            peer,
            name,
            reason: reason.to_owned(),
        });
        self.disconnect(peer);
    }

    /// How many pieces have 0, 1, 2 … copies among the neighbours that take part.
    fn rarity(&self, transfer: swarm_core::TransferId) -> Vec<u32> {
        let Some(mut rarity) = self.rules.rarity(transfer) else {
            return Vec::new();
        };
        let places = self.rules.neighbours(transfer).count() + 1;
        rarity.resize(places.max(rarity.len()), 0);
        rarity
    }

    pub(super) fn status(&self) -> Status {
        let joined = self.sessions.values().filter(|session| session.joined);
        let peers = joined
            .filter_map(|session| session.certificate())
            .map(|certificate| {
                let said = certificate.statement();
                PeerStatus {
                    peer: said.peer,
                    name: said.name.clone(),
                    role: said.role,
                }
            });
        Status {
            peers: peers.collect(),
            artifacts: self
                .transfers
                .values()
                .filter(|it| !it.is_closing())
                .map(|it| it.status(self.rarity(it.id)))
                .collect(),
            banned: self.banned.iter().cloned().collect(),
        }
    }
}
