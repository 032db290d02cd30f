//! libp2p's connections, each let in through the gate.

use super::Gate;
use super::gate::Place;
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, PeerId, Transport};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

type Secured = (PeerId, StreamMuxerBox);

/// A transport that lets a bounded number of incoming connections be unfinished, from the first packet to
/// the last of the handshakes.
pub(crate) struct Gated {
    pub(crate) inner: Boxed<Secured>,
    pub(crate) gate: Gate,
}

impl Transport for Gated {
    type Output = Secured;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Secured>>;
    type Dial = <Boxed<Secured> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = Pin::new(&mut self.inner).poll(cx);
        event.map(|event| event.map_upgrade(|handshake| within(self.gate.enter(), handshake).boxed()))
    }
}

async fn within(place: Place, handshake: impl Future<Output = io::Result<Secured>>) -> io::Result<Secured> {
    tokio::select! {
        secured = handshake => secured,
        () = place.lost.cancelled() => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the handshake did not end before too many others had begun",
        )),
    }
}
