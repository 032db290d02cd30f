//! The protocols and limits of a connection, as libp2p wants them put together.

use crate::config::Config;
use crate::handle::CALL_REQUEST_LENGTH_MAX;
use crate::pacer::Pacers;
use crate::security::{self, Plane, Security, Tls, Upgrade};
use crate::wire::codec::{Answer, Codec, Request};
use crate::wire::control::CONTROL_LENGTH_MAX;
use crate::wire::hello::HELLO_LENGTH_MAX;
use crate::wire::piece::PIECE_REQUEST_LENGTH;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, tcp, yamux};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Connections that are being established in either direction.
const PENDING_MAX: u32 = 128;
/// How long a connection may take from the first packet to the end of its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections to one peer. Two that dial each other at the same moment have two; a restarted peer
/// has more until the old ones are noticed.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// A connection without any stream for this long is closed. Hellos, sent more often than this over
/// connections that somebody wants, keep those open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a hello or a control message may take.
const SMALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one piece may take, waiting for a slot included: 8 MiB at 140 kB a second.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a piece may stand still, or wait for a slot.
const PIECE_STALL: Duration = Duration::from_secs(15);
/// Streams of all protocols on one connection.
const STREAMS_MAX: usize = 64;

/// Bytes of unanswered requests in memory, over all connections.
const SMALL_BUDGET: usize = 1 << 20;
const CALL_BUDGET: usize = 16 << 20;

type Protocol = request_response::Behaviour<Codec>;

/// What happens in any of the protocols.
pub(crate) type Event = request_response::Event<Request, Answer>;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(crate) hello: Protocol,
    pub(crate) control: Protocol,
    pub(crate) piece: Protocol,
    pub(crate) call: Protocol,
}

impl Behaviour {
    pub(crate) fn new(config: &Config, pacers: &Pacers) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_pending_outgoing(Some(PENDING_MAX))
            .with_max_established(Some(config.connections_max))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        let hello = Codec::new(HELLO_LENGTH_MAX, SMALL_BUDGET, SMALL_TIMEOUT);
        let control = Codec::new(CONTROL_LENGTH_MAX, SMALL_BUDGET, SMALL_TIMEOUT);
        let piece = Codec::new(PIECE_REQUEST_LENGTH, SMALL_BUDGET, PIECE_STALL).paced(pacers);
        let call = Codec::new(CALL_REQUEST_LENGTH_MAX, CALL_BUDGET, config.call_timeout);
        Self {
            limits: connection_limits::Behaviour::new(limits),
            hello: protocol("/starling/hello/1", hello, SMALL_TIMEOUT, 4),
            control: protocol("/starling/control/1", control, SMALL_TIMEOUT, 4),
            piece: protocol("/starling/piece/1", piece, PIECE_TIMEOUT, 32),
            call: protocol("/starling/call/1", call, config.call_timeout, 16),
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
    pacers: &Pacers,
) -> Result<libp2p::Swarm<Behaviour>, security::Failed> {
    let upgrade = Upgrade(Tls::new(security, Plane::Control)?);
    let multiplexer = || {
        let mut yamux = yamux::Config::default();
        yamux.set_max_num_streams(STREAMS_MAX);
        yamux
    };
    let built = libp2p::SwarmBuilder::with_existing_identity(config.identity.0.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            |_: &Keypair| Ok(upgrade),
            multiplexer,
        )
        .unwrap_or_else(|never: Infallible| match never {})
        .with_behaviour(|_| Behaviour::new(config, pacers))
        .unwrap_or_else(|never: Infallible| match never {})
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE_TIMEOUT))
        .with_connection_timeout(HANDSHAKE_TIMEOUT)
        .build();
    Ok(built)
}
