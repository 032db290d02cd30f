//! The bulk plane: bytes of pieces, over connections of their own.
//!
//! Why not over libp2p's: its multiplexer cuts writes at 16 KiB and wakes a task for each, which costs
//! three times the processor time of TLS alone (DESIGN §8), and it can deadlock when both ends write much
//! on one stream (rust-libp2p #5410). So a node that wants pieces of a peer opens one TCP connection to
//! the peer's bulk port. It is secured by the same handshake as the control plane, tied to the live
//! control session by a token ([`token`]), ends with it, and carries pieces in one direction only.
//!
//! | question | file |
//! |---|---|
//! | who may connect? | [`listener`], [`parents`], [`token`] |
//! | how do pieces come in? | [`downlink`], [`inflow`] |
//! | how do they go out? | [`uplink`], [`supply`] |
//! | what is on the wire? | `wire/bulk.rs` |
//!
//! The driver holds [`Bulk`] and hears [`Event`]s. Nothing here decides what is asked for or served.

mod downlink;
pub(crate) mod inflow;
mod listener;
mod parents;
pub(crate) mod supply;
pub(crate) mod token;
mod uplink;

use crate::buffers::{Buffer, Buffers};
use crate::pacer::Pacers;
use crate::security::{Failed, Plane, Security, Tls};
use crate::wire::hello::Door;
use crate::{Error, PeerId};
use model::ArtifactId;
use parents::Parents;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use supply::Supply;
use swarm_core::{Miss, Ticket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Requests that may be open on one connection; the rules keep to far fewer.
const OPEN_MAX: usize = 64;
/// Events that may wait for the driver before connections have to wait too.
const EVENTS_MAX: usize = 256;
/// How long a connection may take from the first packet to the token.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may stand still while something is wanted of it.
const STALL: Duration = Duration::from_secs(15);
/// How long a connection that nobody needs stays open.
const IDLE: Duration = Duration::from_secs(60);

/// What happens on the bulk plane.
#[derive(Debug)]
pub(crate) enum Event {
    /// A piece came whole; nobody has checked it yet.
    Arrived { number: u32, bytes: Buffer },
    /// A piece will not come.
    Missed { number: u32, reason: Miss },
    /// A peer asks for a piece. The answer goes back through `to`, with its `number`.
    Requested {
        ticket: Ticket,
        number: u32,
        peer: PeerId,
        artifact: ArtifactId,
        piece: u32,
        to: mpsc::Sender<Answer>,
    },
    /// A peer does not wait any more for what it asked for.
    Withdrawn { ticket: Ticket },
    /// A request of a peer is over: sent, given up, or its connection is gone.
    Over { ticket: Ticket, sent_bytes: u64 },
    /// A peer broke the rules of the plane. Its connection is closed already.
    Offended { peer: PeerId, what: String },
}

/// What the driver answers to a request of a peer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) number: u32,
    pub(crate) what: Granted,
}

/// Whether a piece is sent.
#[derive(Debug)]
pub(crate) enum Granted {
    /// Not from here, not now.
    Refused,
    /// From there. Cancelled, the rest is not sent.
    Piece {
        supply: Supply,
        cancel: CancellationToken,
    },
}

/// A piece that is wanted of a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// A name that no other open wish has.
    pub(crate) number: u32,
    pub(crate) artifact: ArtifactId,
    pub(crate) piece: u32,
    /// The piece's length, by the manifest.
    pub(crate) length: usize,
}

/// Where to dial a peer, and what to show there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) peer: PeerId,
    pub(crate) address: SocketAddr,
    pub(crate) token: crate::wire::bulk::Token,
}

/// What every connection's task knows.
#[derive(Debug)]
struct Shared {
    own: PeerId,
    tls: Tls,
    parents: Parents,
    pacers: Pacers,
    buffers: Buffers,
    events: mpsc::Sender<Event>,
    tickets: AtomicU64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Shared {
    fn next_ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells the driver; after it has stopped, nobody.
    async fn tell(&self, event: Event) {
        self.events.send(event).await.unwrap_or_default();
    }
}

/// The driver's side of the plane.
#[derive(Debug)]
pub(crate) struct Bulk {
    shared: Arc<Shared>,
    port: u16,
    events: mpsc::Receiver<Event>,
    downlinks: HashMap<PeerId, mpsc::Sender<downlink::Order>>,
}

impl Bulk {
    /// Listens on one port of these addresses; 0 picks a free one.
    ///
    /// # Errors
    ///
    /// If an address cannot be listened on.
    pub(crate) async fn start(
        security: &Arc<Security>,
        own: PeerId,
        addresses: &[IpAddr],
        port: u16,
        pacers: Pacers,
        buffers: Buffers,
    ) -> Result<Self, Error> {
        let (port, listeners) = listener::bind(addresses, port).await?;
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let shared = Arc::new(Shared {
            own,
            tls: Tls::new(security, Plane::Bulk).map_err(Failed::into_error)?,
            parents: Parents::default(),
            pacers,
            buffers,
            events,
            tickets: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        listener::spawn(&shared, listeners);
        Ok(Self {
            shared,
            port,
            events: receiver,
            downlinks: HashMap::new(),
        })
    }

    pub(crate) async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// A session with a peer has begun, or begun anew; what the peer is to be told.
    pub(crate) fn begin(&mut self, peer: PeerId) -> Door {
        self.downlinks.remove(&peer);
        Door {
            port: self.port,
            key: self.shared.parents.begin(peer),
        }
    }

    /// A session is over, and every bulk connection with it, both ways.
    pub(crate) fn end(&mut self, peer: PeerId) {
        self.downlinks.remove(&peer);
        self.shared.parents.end(peer);
    }

    /// Asks a peer for a piece, over the connection that is there or one that `dial` says how to open.
    /// The answer is exactly one `Arrived` or `Missed`, unless [`Bulk::give_up`] comes first.
    pub(crate) fn want(&mut self, peer: PeerId, wish: Wish, dial: impl FnOnce() -> Target) -> bool {
        let order = downlink::Order::Want(wish);
        let refused = match self.downlinks.get(&peer) {
            Some(orders) => orders.try_send(order).err(),
            None => Some(mpsc::error::TrySendError::Closed(order)),
        };
        match refused {
            None => true,
            Some(mpsc::error::TrySendError::Full(_)) => false,
            Some(mpsc::error::TrySendError::Closed(order)) => {
                let orders = downlink::spawn(&self.shared, dial());
                let sent = orders.try_send(order).is_ok();
                self.downlinks.insert(peer, orders);
                sent
            }
        }
    }

    /// Nobody waits for this piece any more.
    pub(crate) fn give_up(&mut self, peer: PeerId, number: u32) {
        if let Some(orders) = self.downlinks.get(&peer)
            && let Err(mpsc::error::TrySendError::Full(_)) = orders.try_send(downlink::Order::Cancel(number))
        {
            // It takes no orders: whatever it still brings is thrown away when it comes.
            tracing::debug!(%peer, number, "a connection is too busy to hear that a piece is not needed");
        }
    }

    /// Ends every connection and waits until nothing is read or sent any more.
    pub(crate) async fn stop(self) {
        let Self { shared, events, .. } = self;
        shared.stop.cancel();
        drop(events);
        shared.tasks.close();
        shared.tasks.wait().await;
    }
}
