//! Connections to targets, and what goes over them.
//!
//! Over HTTP/1.1 a request has a connection for itself, so the task that asks drives it ([`Call`]). hyper's client gives
//! each connection a task of its own instead, and hands the request, the response and every part of its body from task
//! to task; for small requests that costs more than what HTTP/1.1 itself asks for. Over HTTP/2 many requests share a
//! connection, which therefore is nobody's, and there the client is hyper's.
//!
//! What HTTP/1.1 means is apart from the sockets: [`head`], [`encoder`] and [`decoder`] know no I/O.

mod call;
mod connection;
mod decoder;
mod encoder;
mod head;
#[cfg(test)]
mod tests;

pub(crate) use call::Call;
pub(crate) use connection::Connection;

use crate::body::Outgoing;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::http::{request, response};
use std::io;
use std::time::Duration;

/// A connection that a request has for itself, or its share of one that carries many.
#[derive(Debug)]
pub(crate) enum Lent {
    /// For itself.
    Http1(Box<Connection>),
    /// A share.
    Http2(http2::SendRequest<Outgoing>),
}

/// Where the rest of a response comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Http1(Call),
    Http2(Incoming),
}

/// Why a target gave no whole response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read or write")]
    Io(#[from] io::Error),
    #[error("the target closed the connection in the middle of a response")]
    Closed,
    #[error("the target sent {0}")]
    Malformed(&'static str),
    #[error("the client broke off in the middle of its request")]
    Request(#[source] hyper::Error),
    #[error("the request's body has another length than was announced")]
    Length,
    #[error("the target took too long")]
    Slow,
    #[error("failed over HTTP/2")]
    Http2(#[from] hyper::Error),
}

/// A request that got no response.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: Error,
    /// The request's body, if nothing of the request was sent.
    pub(crate) unsent: Option<Outgoing>,
}

impl Lent {
    /// Sends a request and waits until its response begins, but no longer than `limit`.
    pub(crate) async fn ask(
        self,
        head: &request::Parts,
        body: Outgoing,
        limit: Duration,
    ) -> Result<(response::Parts, Source), Unanswered> {
        match self {
            Self::Http1(connection) => {
                let mut call = Call::new(connection, head, body);
                match call.answer(limit).await {
                    Ok(answer) => Ok((answer, Source::Http1(call))),
                    Err(error) => Err(Unanswered {
                        error,
                        unsent: call.into_unsent(),
                    }),
                }
            }
            Self::Http2(mut sender) => {
                let mut head = head.clone();
                crate::headers::address_http2(&mut head);
                let request = hyper::Request::from_parts(head, body);
                let sent = tokio::time::timeout(limit, sender.try_send_request(request));
                match sent.await {
                    Ok(Ok(response)) => {
                        let (answer, incoming) = response.into_parts();
                        Ok((answer, Source::Http2(incoming)))
                    }
                    Ok(Err(mut error)) => Err(Unanswered {
                        unsent: error.take_message().map(hyper::Request::into_body),
                        error: error.into_error().into(),
                    }),
                    Err(_) => Err(Unanswered {
                        error: Error::Slow,
                        unsent: None,
                    }),
                }
            }
        }
    }
}
