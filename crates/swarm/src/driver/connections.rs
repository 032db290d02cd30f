//! Connections: opened, looked after, closed.

use super::Swarm;
use super::listen::ip_of;
use crate::session::Session;
use crate::{InvalidCertificate, PeerId};
use jiff::Timestamp;
use libp2p::Multiaddr;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use tokio::time::Instant;

impl Swarm {
    pub(super) fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        if self.banned.iter().any(|banned| banned.peer == peer) {
            tracing::debug!(%peer, "a banned peer came back");
            self.disconnect(peer);
            return;
        }
        let session = self.sessions.entry(peer).or_insert_with(|| {
            let door = self.bulk.begin(peer);
            Session::new(Instant::now(), endpoint.is_dialer(), door)
        });
        session.opened(connection, ip_of(endpoint.get_remote_address()));
        self.greet(peer);
    }

    /// A connection is closed; if it was the last, the peer is gone.
    pub(super) fn on_closed(&mut self, peer: PeerId, connection: ConnectionId, left: u32) {
        if left == 0 {
            self.on_disconnected(peer);
        } else if let Some(session) = self.sessions.get_mut(&peer)
            && !session.closed(connection)
        {
            self.disconnect(peer);
        }
    }

    fn on_disconnected(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.remove(&peer) else {
            return;
        };
        if let Some(certificate) = session.certificate() {
            tracing::debug!(%peer, name = %certificate.statement().name, "a peer is gone");
        }
        self.part(peer);
        self.bulk.end(peer);
        self.dialer.lost(Instant::now(), peer);
        self.fail_waiting_calls(
            peer,
            "the connection was closed before both ends had accepted each other",
        );
    }

    pub(super) fn on_dial_failed(&mut self, peer: PeerId, error: &DialError) {
        tracing::debug!(%peer, %error, "a peer could not be reached");
        if !self.sessions.contains_key(&peer) {
            self.fail_waiting_calls(peer, &error.to_string());
        }
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) {
        // The error only says that it is disconnected already.
        self.network.disconnect_peer_id(peer.0).unwrap_or_default();
    }

    pub(super) fn set_neighbours(&mut self, mut neighbours: Vec<(PeerId, Vec<Multiaddr>)>) {
        let own = self.config.identity.peer();
        neighbours.retain(|(peer, _)| *peer != own);
        self.dialer.set(Instant::now(), neighbours);
        self.dial_neighbours();
    }

    pub(super) fn dial_neighbours(&mut self) {
        let (sessions, banned) = (&self.sessions, &self.banned);
        let unfit = |peer| sessions.contains_key(&peer) || banned.iter().any(|banned| banned.peer == peer);
        for (peer, addresses) in self.dialer.due(Instant::now(), unfit) {
            if let Err(error) = self.dial(peer, addresses) {
                tracing::debug!(%peer, %error, "a neighbour could not be dialled");
            }
        }
    }

    /// Dials a peer unless that is being done or needless.
    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), DialError> {
        let options = DialOpts::peer_id(peer.0)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            // Two nodes that dial each other from their listening ports at the same moment would open
            // one connection on which both believe that they dialled.
            .allocate_new_port()
            .build();
        match self.network.dial(options) {
            Err(DialError::DialPeerConditionFalse(_)) => Ok(()),
            other => other,
        }
    }

    /// Says hellos that are due, and closes connections that lead nowhere.
    pub(super) fn look_after_sessions(&mut self) {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let peers: Vec<PeerId> = self.sessions.keys().copied().collect();
        for peer in peers {
            let Some(session) = self.sessions.get(&peer) else {
                continue;
            };
            if session.is_deaf() || session.is_expired(clock) {
                tracing::debug!(%peer, "a peer that answers no hello is given up");
                self.disconnect(peer);
            } else if session.is_silent(now) {
                self.refuse_stranger(peer, &InvalidCertificate::Missing);
            } else {
                self.greet(peer);
            }
        }
    }
}
