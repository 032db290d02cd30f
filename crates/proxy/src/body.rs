//! Bodies on their way through, frame by frame.

use crate::claim::Claim;
use crate::pool::Pool;
use crate::target::{Error, Source};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
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
    source: Option<Source>,
    claim: Option<Claim>,
    /// Where the connection is kept for another request.
    pool: Arc<Pool>,
}

impl Body {
    pub(crate) fn text(text: &'static str) -> Self {
        Self::Text(Some(Bytes::from_static(text.as_bytes())))
    }

    pub(crate) fn target(source: Source, claim: Claim, pool: Arc<Pool>) -> Self {
        Self::Target(TargetBody {
            source: Some(source),
            claim: Some(claim),
            pool,
        })
    }
}

impl TargetBody {
    /// Gives back what is held for the body. One of known length is not asked for its end.
    fn end(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        let target = claim.target();
        let worth_keeping = claim.give_back();
        // The shared connection of HTTP/2 never left.
        if let Some(Source::Http1(call)) = self.source.take()
            && worth_keeping
            && let Some(connection) = call.into_connection()
        {
            self.pool.give(target, connection);
        }
    }
}

impl Drop for TargetBody {
    fn drop(&mut self) {
        self.end();
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Target(body) => {
                let frame = match &mut body.source {
                    Some(Source::Http1(call)) => ready!(call.poll_frame(context)),
                    Some(Source::Http2(incoming)) => ready!(Pin::new(incoming).poll_frame(context))
                        .map(|frame| frame.map_err(Error::Http2)),
                    None => None,
                };
                if frame.is_none() {
                    body.end();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Target(body) => match &body.source {
                Some(Source::Http1(call)) => call.is_ended(),
                Some(Source::Http2(incoming)) => incoming.is_end_stream(),
                None => true,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Self::Target(body) => match &body.source {
                Some(Source::Http1(call)) => call.size_hint(),
                Some(Source::Http2(incoming)) => incoming.size_hint(),
                None => SizeHint::with_exact(0),
            },
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
