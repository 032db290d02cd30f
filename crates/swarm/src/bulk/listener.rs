//! Takes bulk connections: a handshake, a token, and then a peer's requests.

use super::parents::Tie;
use super::{HANDSHAKE_TIMEOUT, Shared, uplink};
use crate::security::{Failed, Gate, Secured, handshake};
use crate::wire::bulk::Token;
use crate::{Error, metrics};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Handshakes that may be unfinished. Each holds some 30 KiB.
const UNFINISHED_MAX: usize = 128;
/// Free ports that are tried until one is free on every address.
const PORTS_TRIED: usize = 16;
/// The pause after the system could not accept a connection, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens one port on every address.
pub(super) async fn bind(addresses: &[IpAddr], port: u16) -> Result<(u16, Vec<TcpListener>), Error> {
    let mut tries = if port == 0 { PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        match bind_all(addresses, port).await {
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err((address, error)) => {
                return Err(Error::Listen {
                    address: address.to_string(),
                    reason: error.to_string(),
                });
            }
            Ok(bound) => return Ok(bound),
        }
    }
}

async fn bind_all(
    addresses: &[IpAddr],
    mut port: u16,
) -> Result<(u16, Vec<TcpListener>), (SocketAddr, io::Error)> {
    let mut listeners = Vec::new();
    for &ip in addresses {
        let address = SocketAddr::new(ip, port);
        let failed = |error| (address, error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        port = listener.local_addr().map_err(failed)?.port();
        listeners.push(listener);
    }
    Ok((port, listeners))
}

/// Takes connections until the plane stops.
pub(super) fn spawn(shared: &Arc<Shared>, listeners: Vec<TcpListener>) {
    let gate = Gate::new(UNFINISHED_MAX);
    for listener in listeners {
        let (accepting, gate) = (Arc::clone(shared), gate.clone());
        shared.tasks.spawn(async move {
            let stop = accepting.stop.clone();
            stop.run_until_cancelled(accept(accepting, listener, gate)).await;
        });
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, gate: Gate) {
    loop {
        let (connection, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a bulk connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = gate.enter();
        let shared = Arc::clone(&shared);
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            let stop = shared.stop.clone();
            let welcome = timeout(HANDSHAKE_TIMEOUT, welcome(&shared, connection));
            let welcomed = tokio::select! {
                welcomed = welcome => welcomed,
                () = place.lost.cancelled() => return,
                () = stop.cancelled() => return,
            };
            drop(place);
            match welcomed {
                Ok(Ok(Some((connection, tie)))) => uplink::run(shared, connection, tie).await,
                Ok(Ok(None)) => {
                    tracing::debug!(%from, "a bulk connection without a session was refused");
                    metrics::count(metrics::STRANGERS_REFUSED, 1);
                }
                Ok(Err(error)) => tracing::debug!(%from, %error, "a bulk connection was refused"),
                Err(_) => tracing::debug!(%from, "a bulk connection took too long"),
            }
        });
    }
}

/// The handshake and the token. None if the token opens nothing.
async fn welcome(shared: &Shared, connection: TcpStream) -> Result<Option<(Secured, Tie)>, Failed> {
    connection.set_nodelay(true)?;
    let mut secured = handshake::accept(&shared.tls, connection).await?;
    let token = Token::decode(&secured.reader.read_array().await?);
    let tie = shared.parents.admit(secured.peer, shared.own, &token);
    Ok(tie.map(|tie| (secured, tie)))
}
