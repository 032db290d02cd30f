//! Calls: questions between hosts and managers.

use super::Swarm;
use crate::behaviour::Event;
use crate::handle::CALL_ANSWER_LENGTH_MAX;
use crate::wire::codec::{Answer, Request};
use crate::{Error, IncomingCall, InvalidCertificate, PeerId};
use libp2p::Multiaddr;
use libp2p::request_response::{
    InboundRequestId, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
};
use std::collections::{HashMap, HashSet};
use tokio::sync::{mpsc, oneshot};

/// Calls to peers that wait for a connection or an answer.
const CALLS_MAX: usize = 64;
/// Calls from peers that wait for an answer or for its last byte.
const ANSWERS_MAX: usize = 128;

type Reply = oneshot::Sender<Result<Vec<u8>, Error>>;

/// A call that waits for its peer to be connected.
#[derive(Debug)]
struct Waiting {
    peer: PeerId,
    request: Vec<u8>,
    reply: Reply,
}

/// Calls in both directions.
#[derive(Debug)]
pub(super) struct Calls {
    incoming: mpsc::Sender<IncomingCall>,
    answering: HashSet<InboundRequestId>,
    waiting: Vec<Waiting>,
    sent: HashMap<OutboundRequestId, (PeerId, Reply)>,
}

impl Calls {
    pub(super) fn new(incoming: mpsc::Sender<IncomingCall>) -> Self {
        Self {
            incoming,
            answering: HashSet::new(),
            waiting: Vec::new(),
            sent: HashMap::new(),
        }
    }

    /// Forgets calls whose callers have given up.
    pub(super) fn prune(&mut self) {
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
    }

    fn take_waiting(&mut self, peer: PeerId) -> Vec<Waiting> {
        let (taken, left) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|it| it.peer == peer);
        self.waiting = left;
        taken
    }
}

impl Swarm {
    pub(super) fn call(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, request: Vec<u8>, reply: Reply) {
        if self.calls.waiting.len() + self.calls.sent.len() >= CALLS_MAX {
            drop(reply.send(Err(Error::TooMany {
                what: "calls",
                max: CALLS_MAX,
            })));
            return;
        }
        self.calls.waiting.push(Waiting { peer, request, reply });
        match self.sessions.get(&peer) {
            Some(session) if session.joined => self.send_waiting_calls(peer),
            // Both ends are about to accept each other, or to part.
            Some(_) => {}
            None => {
                if let Err(error) = self.dial(peer, addresses) {
                    self.fail_waiting_calls(peer, &error.to_string());
                }
            }
        }
    }

    pub(super) fn send_waiting_calls(&mut self, peer: PeerId) {
        for Waiting { request, reply, .. } in self.calls.take_waiting(peer) {
            let request = Request::new(request, CALL_ANSWER_LENGTH_MAX);
            let id = self.network.behaviour_mut().call.send_request(&peer.0, request);
            self.calls.sent.insert(id, (peer, reply));
        }
    }

    pub(super) fn fail_waiting_calls(&mut self, peer: PeerId, reason: &str) {
        for waiting in self.calls.take_waiting(peer) {
            let reason = reason.to_owned();
            drop(waiting.reply.send(Err(Error::Unreachable { peer, reason })));
        }
    }

    pub(super) fn on_call(&mut self, event: Event) {
        match event {
            Event::Message {
                peer,
                message:
                    Message::Request {
                        request_id,
                        request,
                        channel,
                    },
                ..
            } => {
                self.called(PeerId(peer), request_id, request, channel);
            }
            Event::Message {
                peer,
                message: Message::Response { request_id, response },
                ..
            } => {
                let answer = match response {
                    Answer::Body(answer) => Ok(answer),
                    _ => Err(Error::Busy(PeerId(peer))),
                };
                self.called_back(request_id, answer);
            }
            Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                let peer = PeerId(peer);
                let error = match error {
                    OutboundFailure::Timeout => Error::Timeout(peer),
                    other => Error::Unreachable {
                        peer,
                        reason: other.to_string(),
                    },
                };
                self.called_back(request_id, Err(error));
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.calls.answering.remove(&request_id);
            }
        }
    }

    fn called_back(&mut self, request: OutboundRequestId, answer: Result<Vec<u8>, Error>) {
        if let Some((_, reply)) = self.calls.sent.remove(&request) {
            // The caller may have given up.
            drop(reply.send(answer));
        }
    }

    /// A peer asks something; whoever holds the receiver of calls answers when it likes.
    fn called(
        &mut self,
        peer: PeerId,
        id: InboundRequestId,
        request: Request,
        channel: ResponseChannel<Answer>,
    ) {
        let Some(certificate) = self.sessions.get(&peer).and_then(|session| session.certificate()) else {
            self.refuse_stranger(peer, &InvalidCertificate::Missing);
            return;
        };
        let (reply, answer) = oneshot::channel();
        let Request { body, permit, .. } = request;
        let call = IncomingCall {
            certificate: certificate.clone(),
            request: body,
            permit,
            reply,
        };
        let room = self.calls.answering.len() < ANSWERS_MAX;
        let answer = if room && self.calls.incoming.try_send(call).is_ok() {
            self.calls.answering.insert(id);
            Answer::Later(answer)
        } else {
            Answer::Refused
        };
        // A caller that went away is reported by the network.
        drop(self.network.behaviour_mut().call.send_response(channel, answer));
    }
}
