//! The protocols and limits of a connection, as libp2p wants them put together.

use crate::config::Config;
use crate::control;
use crate::handle::CALL_REQUEST_LENGTH_MAX;
use crate::security::{self, Gate, Gated, Plane, Security, Tls, Upgrade};
use crate::wire::codec::{Answer, Codec, Request};
use crate::wire::hello::HELLO_LENGTH_MAX;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::upgrade::Version;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Transport as _, tcp, yamux};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Incoming connections whose handshake may be unfinished; of more, the oldest makes room.
const UNFINISHED_MAX: usize = 128;
/// Connections that libp2p holds as unfinished in either direction. More than the gate lets be, since it
/// hears of their end a little later.
const PENDING_MAX: u32 = 1024;
/// How long a connection may take from the first packet to the end of its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections to one peer. Two that dial each other at the same moment have two; a restarted peer
/// has more until the old ones are noticed.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// A connection without any stream for this long is closed. Hellos, sent more often than this over
/// connections that somebody wants, keep those open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a hello may take.
const SMALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams of all protocols on one connection.
const STREAMS_MAX: usize = 64;

/// Bytes of unanswered requests in memory, over all connections.
const SMALL_BUDGET: usize = 1 << 20;
const CALL_BUDGET: usize = 16 << 20;

type Protocol = request_response::Behaviour<Codec>;

/// What happens in any of the protocols of requests and answers.
pub(crate) type Event = request_response::Event<Request, Answer>;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(crate) hello: Protocol,
    pub(crate) control: control::Behaviour,
    pub(crate) call: Protocol,
}

impl Behaviour {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_pending_outgoing(Some(PENDING_MAX))
            .with_max_established(Some(config.connections_max))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        let hello = Codec::new(HELLO_LENGTH_MAX, SMALL_BUDGET, SMALL_TIMEOUT);
        let call = Codec::new(CALL_REQUEST_LENGTH_MAX, CALL_BUDGET, config.call_timeout);
        Self {
            limits: connection_limits::Behaviour::new(limits),
            hello: protocol("/starling/hello/2", hello, SMALL_TIMEOUT, 4),
            control: control::Behaviour::new(),
            call: protocol("/starling/call/2", call, config.call_timeout, 16),
        }
    }
}

fn protocol(name: &'static str, codec: Codec, timeout: Duration, streams_max: usize) -> Protocol {
    let config = request_response::Config::default()
        .with_request_timeout(timeout)
        .with_max_concurrent_streams(streams_max);
    let protocols = [(StreamProtocol::new(name), ProtocolSupport::Full)];
    Protocol::with_codec(codec, protocols, config)
}

/// TCP, certified TLS and yamux below these protocols.
pub(crate) fn network(
    config: &Config,
    security: &Arc<Security>,
) -> Result<libp2p::Swarm<Behaviour>, security::Failed> {
    let mut multiplexer = yamux::Config::default();
    multiplexer.set_max_num_streams(STREAMS_MAX);
    let inner = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(Upgrade(Tls::new(security, Plane::Control)?))
        .multiplex(multiplexer)
        .boxed();
    let gate = Gate::new(UNFINISHED_MAX);
    Ok(
        libp2p::SwarmBuilder::with_existing_identity(config.identity.0.clone())
            .with_tokio()
            .with_other_transport(|_| Gated { inner, gate })
            .unwrap_or_else(|never: Infallible| match never {})
            .with_behaviour(|_| Behaviour::new(config))
            .unwrap_or_else(|never: Infallible| match never {})
            .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE_TIMEOUT))
            .with_connection_timeout(HANDSHAKE_TIMEOUT)
            .build(),
    )
}
