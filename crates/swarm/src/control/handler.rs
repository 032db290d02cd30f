//! The two control streams of one connection.

use super::{Frame, PROTOCOL, What};
use crate::wire::control::CONTROL_LENGTH_MAX;
use crate::wire::frame::{read_body, read_length};
use futures::future::BoxFuture;
use futures::{AsyncWriteExt, FutureExt};
use libp2p::StreamProtocol;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a frame may take from its length to its end, or to be taken.
const STALL: Duration = Duration::from_secs(10);

type Upgrade = ReadyUpgrade<StreamProtocol>;
type ToBehaviour = ConnectionHandlerEvent<Upgrade, (), What>;

/// Where we speak.
enum Mouth {
    Closed,
    Opening,
    Quiet(Stream),
    Speaking(BoxFuture<'static, io::Result<Stream>>),
}

/// Speaks and listens on one connection.
pub(crate) struct Handler {
    budget: Arc<Semaphore>,
    ear: Option<BoxFuture<'static, io::Result<(Stream, Frame)>>>,
    mouth: Mouth,
    /// What is to be said next.
    next: Option<Vec<u8>>,
    /// Why nothing is said or heard any more, until that was told.
    broken: Option<String>,
}

impl fmt::Debug for Handler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handler").finish_non_exhaustive()
    }
}

impl Handler {
    pub(super) fn new(budget: Arc<Semaphore>) -> Self {
        Self {
            budget,
            ear: None,
            mouth: Mouth::Closed,
            next: None,
            broken: None,
        }
    }

    fn listen(&mut self, stream: Stream) {
        self.ear = Some(read(stream, Arc::clone(&self.budget)).boxed());
    }

    fn poll_ear(&mut self, context: &mut Context<'_>) -> Poll<ToBehaviour> {
        let Some(ear) = &mut self.ear else {
            return Poll::Pending;
        };
        let heard = std::task::ready!(ear.poll_unpin(context));
        self.ear = None;
        Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(match heard {
            Ok((stream, frame)) => {
                self.listen(stream);
                What::Heard(frame)
            }
            Err(error) => What::Broken(format!("nothing more is heard: {error}")),
        }))
    }

    fn poll_mouth(&mut self, context: &mut Context<'_>) -> Poll<ToBehaviour> {
        if let Mouth::Speaking(speaking) = &mut self.mouth {
            let said = std::task::ready!(speaking.poll_unpin(context));
            let (mouth, what) = match said {
                Ok(stream) => (Mouth::Quiet(stream), What::Said),
                Err(error) => (
                    Mouth::Closed,
                    What::Broken(format!("nothing more can be said: {error}")),
                ),
            };
            self.mouth = mouth;
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(what));
        }
        if self.next.is_none() {
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.mouth, Mouth::Opening) {
            Mouth::Closed => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Upgrade::new(PROTOCOL), ()),
            }),
            Mouth::Quiet(stream) => {
                let body = self.next.take().unwrap_or_default();
                self.mouth = Mouth::Speaking(write(stream, body).boxed());
                self.poll_mouth(context)
            }
            waits @ (Mouth::Opening | Mouth::Speaking(_)) => {
                self.mouth = waits;
                Poll::Pending
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Vec<u8>;
    type ToBehaviour = What;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(Upgrade::new(PROTOCOL), ())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToBehaviour> {
        if let Some(why) = self.broken.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(What::Broken(why)));
        }
        match self.poll_ear(context) {
            Poll::Pending => self.poll_mouth(context),
            heard => heard,
        }
    }

    fn on_behaviour_event(&mut self, body: Vec<u8>) {
        self.next = Some(body);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: mut stream, ..
            }) => {
                stream.ignore_for_keep_alive();
                // Whoever opens another gives the first one up.
                self.listen(stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: mut stream,
                ..
            }) => {
                // Hellos keep a connection open that somebody wants; this one would whether or not.
                stream.ignore_for_keep_alive();
                self.mouth = Mouth::Quiet(stream);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.mouth = Mouth::Closed;
                self.next = None;
                self.broken = Some(format!("no stream could be opened: {error}"));
            }
            _ => {}
        }
    }
}

/// Reads one frame. Takes memory for it only when its share of the budget is free.
async fn read(mut stream: Stream, budget: Arc<Semaphore>) -> io::Result<(Stream, Frame)> {
    let length = read_length(&mut stream, CONTROL_LENGTH_MAX).await?;
    let permits = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?;
    let permit = budget
        .acquire_many_owned(permits)
        .await
        .map_err(io::Error::other)?;
    let body = read_body(&mut stream, length, STALL).await?;
    let frame = Frame {
        body,
        _permit: permit,
    };
    Ok((stream, frame))
}

/// Writes one frame, as one write.
async fn write(mut stream: Stream, body: Vec<u8>) -> io::Result<Stream> {
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let frame = [&length.to_be_bytes()[..], &body].concat();
    let write = async {
        stream.write_all(&frame).await?;
        stream.flush().await
    };
    timeout(STALL, write).await.map_err(io::Error::from)??;
    Ok(stream)
}
