//! Bodies on their way through, frame by frame.

use crate::claim::Claim;
use crate::pool::{Lent, Pool};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A response's body.
#[derive(Debug)]
pub(crate) enum Body {
    /// The proxy's own words.
    Text(Option<Bytes>),
    /// A target's.
    Target(TargetBody),
}

/// A target's body. Its request counts as in flight until it has ended, and then its connection is free.
#[derive(Debug)]
pub(crate) struct TargetBody {
    incoming: Incoming,
    ended: bool,
    claim: Option<Claim>,
    /// The connection, to be kept for another request, and where.
    connection: Option<(Lent, Arc<Pool>)>,
}

impl Body {
    pub(crate) fn text(text: &'static str) -> Self {
        Self::Text(Some(Bytes::from_static(text.as_bytes())))
    }

    pub(crate) fn target(incoming: Incoming, claim: Claim, connection: Lent, pool: Arc<Pool>) -> Self {
        Self::Target(TargetBody {
            ended: incoming.is_end_stream(),
            incoming,
            claim: Some(claim),
            connection: Some((connection, pool)),
        })
    }
}

impl TargetBody {
    fn end(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        let target = claim.target();
        let worth_keeping = claim.give_back();
        if let Some((connection, pool)) = self.connection.take()
            && worth_keeping
            && self.ended
        {
            pool.give(target, connection);
        }
    }
}

impl Drop for TargetBody {
    fn drop(&mut self) {
        // A body of known length is not asked for its end.
        self.ended |= self.incoming.is_end_stream();
        self.end();
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Target(body) => {
                let frame = ready!(Pin::new(&mut body.incoming).poll_frame(context));
                if frame.is_none() {
                    body.ended = true;
                    body.end();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Target(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Self::Target(body) => body.incoming.size_hint(),
        }
    }
}

/// A request's body: the client's, or none when a request that has none is repeated.
#[derive(Debug)]
pub(crate) struct Outgoing(pub(crate) Option<Incoming>);

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().0 {
            Some(incoming) => Pin::new(incoming).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
