//! What this node knows of a peer while it is connected.

use crate::bulk::token::Key;
use crate::wire::control::{Control, Outbox, Overflow};
use crate::wire::hello::{Door, Hello};
use crate::{Certificate, Role};
use jiff::Timestamp;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::ConnectionId;
use model::ArtifactId;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

/// How long a peer may take to show a valid certificate.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// The time between two hellos over a connection that is wanted. It keeps the connection open and
/// notices a far end that is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Hellos that may fail one after the other before the connection is given up.
const HELLO_FAILURES_MAX: u32 = 3;
/// Artifacts that a peer may say it takes part in.
const ANNOUNCED_MAX: usize = 1024;

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Session {
    /// What it has shown, once that was verified.
    certificate: Option<Certificate>,
    /// The number of its process; see [`crate::wire::hello::Hello`].
    process: Option<u64>,
    /// Whether it has accepted our certificate.
    welcomed: bool,
    /// Whether this was told to the rest of the node.
    pub(crate) joined: bool,
    /// With where each leads.
    connections: Vec<(ConnectionId, Option<IpAddr>)>,
    /// What we tell the peer of our bulk port, and what it told us of its own.
    own_door: Door,
    door: Option<Door>,
    /// Bulk connections that we have dialled.
    bulk_count: u64,
    since: Instant,
    hello: Option<OutboundRequestId>,
    hello_next: Instant,
    hello_failures: u32,
    /// Whether the peer has not heard our newest hello.
    news: bool,
    /// The connection whose control stream we speak on, and whether a frame is not on its way yet.
    speaks_on: Option<ConnectionId>,
    speaking: bool,
    outbox: Outbox,
    announced: HashSet<ArtifactId>,
}

/// What a hello changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The peer is who it was.
    Known,
    /// The peer speaks for the first time.
    New,
    /// The peer was restarted: what it said before is forgotten, and what was said to it too.
    Restarted,
}

impl Session {
    /// A new connection. The dialler speaks first.
    pub(crate) fn new(now: Instant, dialler: bool, own_door: Door) -> Self {
        Self {
            certificate: None,
            process: None,
            welcomed: false,
            joined: false,
            connections: Vec::new(),
            own_door,
            door: None,
            bulk_count: 0,
            since: now,
            hello: None,
            hello_next: if dialler { now } else { now + HELLO_TIMEOUT },
            hello_failures: 0,
            news: false,
            speaks_on: None,
            speaking: false,
            outbox: Outbox::default(),
            announced: HashSet::new(),
        }
    }

    /// Notes a connection; libp2p limits how many there are.
    pub(crate) fn opened(&mut self, connection: ConnectionId, leads_to: Option<IpAddr>) {
        self.connections.push((connection, leads_to));
    }

    /// False if the peer may have missed something that was said on it.
    pub(crate) fn closed(&mut self, connection: ConnectionId) -> bool {
        self.connections.retain(|(open, _)| *open != connection);
        self.speaks_on != Some(connection)
    }

    /// Whether this is one of the peer's connections.
    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.connections.iter().any(|(open, _)| *open == connection)
    }

    /// What the peer is told of our bulk port.
    pub(crate) fn own_door(&self) -> Door {
        self.own_door
    }

    /// Tells the peer something else from the next hello on.
    pub(crate) fn change_own_door(&mut self, door: Door) {
        self.own_door = door;
    }

    /// Where the peer takes bulk connections, and the key to show there.
    pub(crate) fn bulk_door(&self) -> Option<(SocketAddr, Key)> {
        let door = self.door?;
        let (_, leads_to) = self.connections.last()?;
        Some((SocketAddr::new((*leads_to)?, door.port), door.key))
    }

    /// The number of the next bulk connection; each is greater than those before.
    pub(crate) fn next_bulk_count(&mut self) -> u64 {
        self.bulk_count += 1;
        self.bulk_count
    }

    /// The connections but this one.
    pub(crate) fn others(&self, connection: ConnectionId) -> Vec<ConnectionId> {
        self.connections
            .iter()
            .map(|(open, _)| *open)
            .filter(|open| *open != connection)
            .collect()
    }

    /// What the peer has shown, if it was verified. Nothing of a peer without it is listened to.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// What the peer is, if it has shown so.
    pub(crate) fn role(&self) -> Option<Role> {
        self.certificate().map(|certificate| certificate.statement().role)
    }

    /// Whether both ends have accepted each other. Nothing but hellos is sent before.
    pub(crate) fn is_ready(&self) -> bool {
        self.certificate.is_some() && self.welcomed
    }

    /// Whether the peer has had its time to show a certificate, and has shown none.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.certificate.is_none() && now.duration_since(self.since) > HELLO_TIMEOUT
    }

    /// Whether the peer's certificate has run out while it was connected.
    pub(crate) fn is_expired(&self, clock: Timestamp) -> bool {
        self.certificate
            .as_ref()
            .is_some_and(|certificate| clock > certificate.statement().not_after)
    }

    /// Takes in a hello whose certificate was verified. The answer says whether the peer has forgotten us.
    pub(crate) fn greeted(&mut self, now: Instant, hello: Hello) -> Greeting {
        self.certificate = Some(hello.certificate);
        self.door = Some(hello.bulk);
        let greeting = match self.process.replace(hello.process) {
            None => Greeting::New,
            Some(before) if before == hello.process => Greeting::Known,
            Some(_) => Greeting::Restarted,
        };
        if greeting == Greeting::Restarted {
            self.welcomed = false;
            self.joined = false;
            self.hello = None;
            self.speaks_on = None;
            self.speaking = false;
            self.outbox = Outbox::default();
            self.announced.clear();
        }
        if !self.welcomed && self.hello.is_none() {
            self.hello_next = now;
        }
        greeting
    }

    /// Whether it is time to say hello. `wanted` keeps a connection alive; a first hello, and one with news,
    /// is due anyway.
    pub(crate) fn hello_due(&self, now: Instant, wanted: bool) -> bool {
        self.hello.is_none()
            && self.hello_next <= now
            && (wanted || self.news || !self.welcomed)
            && !self.is_deaf()
    }

    /// There is something new to say of ourselves: the next hello is due now, wanted or not.
    pub(crate) fn repeat_hello(&mut self, now: Instant) {
        self.hello = None;
        self.hello_next = now;
        self.news = true;
    }

    pub(crate) fn hello_sent(&mut self, now: Instant, request: OutboundRequestId) {
        self.hello = Some(request);
        self.hello_next = now + HEARTBEAT;
    }

    /// The peer has accepted our certificate.
    pub(crate) fn hello_welcomed(&mut self, request: OutboundRequestId) {
        if self.hello.take_if(|sent| *sent == request).is_some() {
            self.welcomed = true;
            self.news = false;
            self.hello_failures = 0;
        }
    }

    /// A hello got no welcome; it is said again at once, a few times.
    pub(crate) fn hello_failed(&mut self, now: Instant, request: OutboundRequestId) {
        if self.hello.take_if(|sent| *sent == request).is_some() {
            self.hello_failures += 1;
            self.hello_next = now;
        }
    }

    /// Whether a hello has failed so often that the far end must be gone.
    pub(crate) fn is_deaf(&self) -> bool {
        self.hello_failures >= HELLO_FAILURES_MAX
    }

    /// The peer takes part in an artifact. False if it said so before, or says too much.
    pub(crate) fn announce(&mut self, artifact: ArtifactId) -> bool {
        self.announced.len() < ANNOUNCED_MAX && self.announced.insert(artifact)
    }

    pub(crate) fn retract(&mut self, artifact: &ArtifactId) {
        self.announced.remove(artifact);
    }

    pub(crate) fn announced(&self, artifact: &ArtifactId) -> bool {
        self.announced.contains(artifact)
    }

    pub(crate) fn push(&mut self, message: &Control) -> Result<(), Overflow> {
        self.outbox.push(message)
    }

    /// The next control frame to send, and on which connection, if the one before is on its way.
    pub(crate) fn next_frame(&mut self) -> Option<(ConnectionId, Vec<u8>)> {
        if self.speaking || !self.is_ready() {
            return None;
        }
        let (newest, _) = self.connections.last()?;
        let frame = self.outbox.next_frame()?;
        self.speaking = true;
        // Always the same, or frames could overtake each other.
        Some((*self.speaks_on.get_or_insert(*newest), frame))
    }

    /// The frame that was sent last on this connection is on its way. False if it was not ours.
    pub(crate) fn frame_ended(&mut self, connection: ConnectionId) -> bool {
        self.speaks_on == Some(connection) && std::mem::take(&mut self.speaking)
    }
}
