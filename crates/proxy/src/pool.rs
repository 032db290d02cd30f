//! Connections of one thread to targets.

use crate::body::Outgoing;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use proxy_control::{Protocol, Target};
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long a connection is kept without a request. Shorter than any common server keeps one (Node.js: 5 s), so that
/// the target is not the one who closes it just when a request is sent.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// The most connections that are kept without a request, a target and thread.
const IDLE_COUNT_MAX: usize = 256;

/// The connections of one thread that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<HashMap<Target, Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The latest used last.
    http1: Vec<(http1::SendRequest<Outgoing>, Instant)>,
    /// One carries many requests.
    http2: Option<http2::SendRequest<Outgoing>>,
}

/// A connection that a request has for itself, or its share of one that carries many.
#[derive(Debug)]
pub(crate) enum Lent {
    /// For itself.
    Http1(http1::SendRequest<Outgoing>),
    /// A share.
    Http2(http2::SendRequest<Outgoing>),
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to connect")]
    Connect(#[from] io::Error),
    #[error("failed to begin the protocol")]
    Handshake(#[from] hyper::Error),
    #[error("the target did not accept the connection in time")]
    Slow,
}

impl Pool {
    /// A connection to a target: one that waits, unless `fresh`, else a new one.
    pub(crate) async fn lend(
        &self,
        target: Target,
        protocol: Protocol,
        fresh: bool,
        connect_max: Duration,
    ) -> Result<Lent, Error> {
        if !fresh && let Some(waiting) = self.take(target, protocol) {
            return Ok(waiting);
        }
        let connecting = connect(target, protocol);
        let lent = tokio::time::timeout(connect_max, connecting)
            .await
            .map_err(|_| Error::Slow)??;
        if let Lent::Http2(sender) = &lent {
            self.kept().entry(target).or_default().http2 = Some(sender.clone());
        }
        Ok(lent)
    }

    fn take(&self, target: Target, protocol: Protocol) -> Option<Lent> {
        let mut kept = self.kept();
        let kept = kept.get_mut(&target)?;
        match protocol {
            Protocol::H2c => kept
                .http2
                .clone()
                .filter(|sender| !sender.is_closed())
                .map(Lent::Http2),
            Protocol::Http1 => {
                // One that still ends its last exchange is passed over, one that the target closed is dropped.
                kept.http1.retain(|(sender, _)| !sender.is_closed());
                let ready = kept.http1.iter().rposition(|(sender, _)| sender.is_ready())?;
                Some(Lent::Http1(kept.http1.remove(ready).0))
            }
        }
    }

    /// Keeps a connection for another request.
    pub(crate) fn give(&self, target: Target, connection: Lent) {
        // The shared connection never left.
        let Lent::Http1(sender) = connection else { return };
        let mut kept = self.kept();
        let waiting = &mut kept.entry(target).or_default().http1;
        if waiting.len() < IDLE_COUNT_MAX && !sender.is_closed() {
            waiting.push((sender, Instant::now()));
        }
    }

    /// Closes the connections that wait for requests to targets which get none, so that their tasks see them closed.
    pub(crate) fn keep_only(&self, gets_requests: impl Fn(Target) -> bool) {
        self.kept().retain(|target, _| gets_requests(*target));
    }

    /// Closes what waited long enough.
    pub(crate) fn sweep(&self) {
        self.kept().retain(|_, kept| {
            kept.http1
                .retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_MAX);
            kept.http2.take_if(|sender| sender.is_closed());
            !kept.http1.is_empty() || kept.http2.is_some()
        });
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Target, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(target: Target, protocol: Protocol) -> Result<Lent, Error> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, target.port)).await?;
    stream.set_nodelay(true)?;
    let io = TokioIo::new(stream);
    match protocol {
        Protocol::Http1 => {
            let (sender, connection) = http1::handshake(io).await?;
            // It ends with its connection, whose both ends are bounded: by the requests in flight and by the pool.
            // What breaks it is told to the request.
            tokio::spawn(connection.with_upgrades());
            Ok(Lent::Http1(sender))
        }
        Protocol::H2c => {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .handshake(io)
                .await?;
            tokio::spawn(connection);
            Ok(Lent::Http2(sender))
        }
    }
}

impl Lent {
    /// Sends a request; it comes back with the error if nothing of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        }
    }
}
