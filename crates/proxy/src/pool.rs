//! Connections of one thread to targets, while no request has them.

use crate::body::Outgoing;
use crate::target::{Connection, Lent};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use proxy_control::{Protocol, Target};
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// How often connections that wait for requests are looked at.
pub(crate) const SWEEP_PERIOD: Duration = Duration::from_secs(1);
/// How many looks a connection is kept for without a request: 3 to 4 seconds. Shorter than any common server keeps one
/// (Node.js: 5 s), so that the target is not the one who closes it just when a request is sent.
const IDLE_SWEEPS_MAX: u64 = 4;
/// The most connections that are kept without a request, a target and thread.
const IDLE_COUNT_MAX: usize = 256;

/// The connections of one thread that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    of: HashMap<Target, Kept>,
    /// How often it was swept.
    sweeps: u64,
}

#[derive(Debug, Default)]
struct Kept {
    /// The latest used last, each with the sweep before it was.
    http1: Vec<(Box<Connection>, u64)>,
    /// One carries many requests.
    http2: Option<http2::SendRequest<Outgoing>>,
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
            self.waiting().of.entry(target).or_default().http2 = Some(sender.clone());
        }
        Ok(lent)
    }

    fn take(&self, target: Target, protocol: Protocol) -> Option<Lent> {
        let mut waiting = self.waiting();
        let kept = waiting.of.get_mut(&target)?;
        match protocol {
            Protocol::H2c => kept
                .http2
                .clone()
                .filter(|sender| !sender.is_closed())
                .map(Lent::Http2),
            Protocol::Http1 => {
                while let Some((mut connection, _)) = kept.http1.pop() {
                    if connection.is_quiet() {
                        return Some(Lent::Http1(connection));
                    }
                }
                None
            }
        }
    }

    /// Keeps a connection for another request.
    pub(crate) fn give(&self, target: Target, connection: Box<Connection>) {
        let mut waiting = self.waiting();
        let sweeps = waiting.sweeps;
        let kept = &mut waiting.of.entry(target).or_default().http1;
        if kept.len() < IDLE_COUNT_MAX {
            kept.push((connection, sweeps));
        }
    }

    /// Closes the connections that wait for requests to targets which get none.
    pub(crate) fn keep_only(&self, gets_requests: impl Fn(Target) -> bool) {
        let gone = |target: &Target, _: &mut Kept| !gets_requests(*target);
        let gone: Vec<_> = self.waiting().of.extract_if(gone).collect();
        // Unlocked first: to close hundreds of sockets takes the system its time, and the lane has requests meanwhile.
        drop(gone);
    }

    /// Closes what waited long enough, and what its target has closed. To be called every [`SWEEP_PERIOD`].
    pub(crate) fn sweep(&self) {
        let mut waiting = self.waiting();
        waiting.sweeps += 1;
        let sweeps = waiting.sweeps;
        waiting.of.retain(|_, kept| {
            kept.http1
                .retain_mut(|(connection, since)| sweeps - *since < IDLE_SWEEPS_MAX && connection.is_quiet());
            kept.http2.take_if(|sender| sender.is_closed());
            !kept.http1.is_empty() || kept.http2.is_some()
        });
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(target: Target, protocol: Protocol) -> Result<Lent, Error> {
    match protocol {
        Protocol::Http1 => Ok(Lent::Http1(Box::new(Connection::open(target.port).await?))),
        Protocol::H2c => {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, target.port)).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .handshake(TokioIo::new(stream))
                .await?;
            // It ends with its connection, whose both ends are bounded: by the requests in flight and by the pool.
            // What breaks it is told to the request.
            tokio::spawn(connection);
            Ok(Lent::Http2(sender))
        }
    }
}
