//! `/starling/control/2` as libp2p sees it: frames to a peer, one behind the other, on one stream.
//!
//! Each connection has at most one stream in each direction, which its sender opens with the first frame
//! and keeps. A frame has no answer: a stream keeps its bytes in order, and yamux stops a sender that the
//! other end does not keep up with. (A stream for each frame, as libp2p's request-response has it, costs a
//! negotiation, an answer, a timer and eight packets a frame: a sixth of the processor time of a transfer
//! of small pieces.) A stream carries bytes in one direction only, since two that both write much can wait
//! for each other for ever (rust-libp2p #5410).
//!
//! What is in a frame, `wire/control.rs` says.

mod handler;

use crate::PeerId;
use handler::Handler;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, StreamProtocol};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/control/2");
/// Bytes of frames that came in and were not dealt with, over all connections.
const BUDGET: usize = 1 << 20;

/// What happens on a connection's control streams.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// The peer said something.
    Heard(Frame),
    /// The last frame is on its way, and the next may follow.
    Said,
    /// A stream ended, and what was said last is perhaps lost. Why, in words.
    Broken(String),
}

/// A frame that came in.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) body: Vec<u8>,
    /// Its share of [`BUDGET`].
    _permit: OwnedSemaphorePermit,
}

/// Sends and hears frames.
#[derive(Debug)]
pub(crate) struct Behaviour {
    budget: Arc<Semaphore>,
    /// At most one frame a connection, and one event of a handler.
    waiting: VecDeque<ToSwarm<Event, Vec<u8>>>,
}

impl Behaviour {
    pub(crate) fn new() -> Self {
        Self {
            budget: Arc::new(Semaphore::new(BUDGET)),
            waiting: VecDeque::new(),
        }
    }

    /// Says something. The next frame has to wait until this one was [`What::Said`]; on a connection that is
    /// being closed it never is.
    pub(crate) fn say(&mut self, peer: PeerId, connection: ConnectionId, body: Vec<u8>) {
        self.waiting.push_back(ToSwarm::NotifyHandler {
            peer_id: peer.0,
            handler: NotifyHandler::One(connection),
            event: body,
        });
    }

    fn handler(&self) -> Handler {
        Handler::new(Arc::clone(&self.budget))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: libp2p::PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: libp2p::PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, peer: libp2p::PeerId, connection: ConnectionId, what: What) {
        self.waiting.push_back(ToSwarm::GenerateEvent(Event {
            peer: PeerId(peer),
            connection,
            what,
        }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        match self.waiting.pop_front() {
            Some(event) => Poll::Ready(event),
            // Whoever adds something is within libp2p's loop, which polls again afterwards.
            None => Poll::Pending,
        }
    }
}
