//! What peers tell each other about artifacts, and hints.

use super::Swarm;
use crate::control::{Event, What};
use crate::wire::control::{self, Control};
use crate::{InvalidCertificate, PeerId, Role};
use swarm_core::{Input, Peer, TransferId};

impl Swarm {
    pub(super) fn on_control(
        &mut self,
        Event {
            peer,
            connection,
            what,
        }: Event,
    ) {
        // Of a connection that is given up, nothing counts any more.
        let session = self.sessions.get_mut(&peer);
        let Some(session) = session.filter(|session| session.has(connection)) else {
            return;
        };
        match what {
            What::Heard(frame) => self.hear_frame(peer, &frame.body),
            What::Said => {
                if session.frame_ended(connection) {
                    self.talking.insert(peer);
                }
            }
            What::Broken(reason) => {
                // What was said may be lost. Everything is said anew when the two meet again.
                tracing::debug!(%peer, %reason, "a control stream broke");
                self.disconnect(peer);
            }
        }
    }

    /// Takes in a frame, or sends the peer away.
    fn hear_frame(&mut self, peer: PeerId, body: &[u8]) {
        let Some(role) = self.sessions.get(&peer).and_then(|session| session.role()) else {
            return self.refuse_stranger(peer, &InvalidCertificate::Missing);
        };
        let messages = match control::decode(body) {
            Ok(messages) => messages,
            Err(error) => return self.offended(peer, &error.to_string()),
        };
        for message in messages {
            self.hear(peer, role, message);
        }
    }

    fn hear(&mut self, peer: PeerId, role: Role, message: Control) {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        let Some(handle) = self.names.of(peer) else { return };
        match message {
            Control::Join(artifact) => {
                if session.announce(artifact)
                    && let Some(transfer) = self.shared(&artifact)
                {
                    self.meet(peer, transfer, artifact);
                }
            }
            Control::Leave(artifact) => {
                session.retract(&artifact);
                if let Some(transfer) = self.shared(&artifact) {
                    self.abandon_all(transfer, handle);
                    self.tell(Input::PeerLeft {
                        transfer,
                        peer: handle,
                    });
                }
            }
            Control::About(artifact, message) => {
                if let Some(transfer) = self.shared(&artifact) {
                    self.tell(Input::Message {
                        transfer,
                        peer: handle,
                        message,
                    });
                }
            }
            Control::Hint if role == Role::Manager => self.hints.send_modify(|count| *count += 1),
            Control::Hint => tracing::debug!(%peer, "a hint of a peer that is no manager"),
        }
    }

    /// The transfer of an artifact that peers are told of.
    pub(super) fn shared(&self, artifact: &model::ArtifactId) -> Option<TransferId> {
        let transfer = self.artifacts.get(artifact)?;
        self.transfers
            .get(transfer)
            .filter(|it| it.is_shared())
            .map(|it| it.id)
    }

    pub(super) fn hint(&mut self, peers: &[PeerId]) {
        for &peer in peers {
            self.say(peer, &Control::Hint);
        }
    }

    pub(super) fn send_about(&mut self, transfer: TransferId, peer: Peer, message: swarm_core::Message) {
        let Some(transfer) = self.transfers.get(&transfer) else {
            return;
        };
        let Some(known) = self.names.known(peer) else {
            return;
        };
        let (peer, message) = (known.peer, Control::About(transfer.artifact(), message));
        self.say(peer, &message);
    }

    /// Says something to every peer that takes part in anything.
    pub(super) fn say_to_all(&mut self, message: &Control) {
        let joined = self.sessions.iter().filter(|(_, session)| session.joined);
        let peers: Vec<PeerId> = joined.map(|(&peer, _)| peer).collect();
        for peer in peers {
            self.say(peer, message);
        }
    }

    /// Puts a message into a peer's outbox.
    pub(super) fn say(&mut self, peer: PeerId, message: &Control) {
        let Some(session) = self.sessions.get_mut(&peer).filter(|session| session.joined) else {
            return;
        };
        match session.push(message) {
            Ok(()) => {
                self.talking.insert(peer);
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "a peer is disconnected");
                self.disconnect(peer);
            }
        }
    }

    /// Sends the next frame to every peer to which the one before is on its way.
    pub(super) fn send_frames(&mut self) {
        for peer in std::mem::take(&mut self.talking) {
            let Some(session) = self.sessions.get_mut(&peer) else {
                continue;
            };
            if let Some((connection, frame)) = session.next_frame() {
                self.network.behaviour_mut().control.say(peer, connection, frame);
            }
        }
    }
}
