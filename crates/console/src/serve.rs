//! Accepts connections, so many and no more, and lets them end cleanly.

use crate::service::Error;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The most connections at once; more wait in the socket's backlog.
const CONNECTIONS_MAX: usize = 2_048;
/// How long a client may take to send a request's head, and may be silent between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest request head, in bytes.
const HEAD_LENGTH_MAX: usize = 32 * 1024;
/// How long requests in flight may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The wait after the process ran out of descriptors, say.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(100);

/// Serves until `stop`; `closing` tells streams that would never end by themselves, and is cancelled in any
/// case before this returns.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    closing: CancellationToken,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut connections = JoinSet::new();
    let result = tokio::select! {
        result = accept_all(listener, router, &closing, &mut connections) => result,
        () = stop.cancelled() => Ok(()),
    };
    closing.cancel();
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(
            connections.count = connections.len(),
            "ended connections that were still busy"
        );
        connections.shutdown().await;
    }
    result
}

/// Ends only when the socket breaks.
async fn accept_all(
    listener: TcpListener,
    router: Router,
    closing: &CancellationToken,
    connections: &mut JoinSet<()>,
) -> Result<(), Error> {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return Ok(()); // Nobody closes the semaphore.
        };
        while connections.try_join_next().is_some() {}
        if let Some(stream) = accept(&listener).await? {
            connections.spawn(connection(stream, router.clone(), permit, closing.clone()));
        }
    }
}

/// `None` when this one connection failed and the next may not.
async fn accept(listener: &TcpListener) -> Result<Option<TcpStream>, Error> {
    match listener.accept().await {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if is_passing(&error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to accept a connection"
            );
            tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
            Ok(None)
        }
        Err(error) => Err(Error::Accept(error)),
    }
}

/// Whether it says something about one client or one moment, rather than about the socket.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotConnected, PermissionDenied};
    !matches!(error.kind(), InvalidInput | NotConnected | PermissionDenied)
}

async fn connection(
    stream: TcpStream,
    router: Router,
    _permit: OwnedSemaphorePermit,
    closing: CancellationToken,
) {
    // Events are small and should leave at once. A socket that refuses is closed already.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LENGTH_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        // Browsers break off as they please.
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a connection ended early"
        );
    }
}
