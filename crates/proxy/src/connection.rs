//! One client's connection.

use crate::exchange;
use crate::frontend::Frontend;
use crate::headers::Client;
use crate::lane::Lane;
use crate::timer::OneTimer;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The most requests that one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 250;

/// Serves a client until it goes away or is sent away.
pub(crate) async fn serve(stream: TcpStream, client: IpAddr, frontend: Arc<Frontend>, lane: Arc<Lane>) {
    // Without it a response in two writes may wait for the client's acknowledgement; the connection works either way.
    let _ = stream.set_nodelay(true);
    // Known with the first request.
    let speaks_http2 = CancellationToken::new();
    let client = Arc::new(Client::new(client));
    let service = service_fn(|request: hyper::Request<_>| {
        if request.version() == hyper::Version::HTTP_2 {
            speaks_http2.cancel();
        }
        let (frontend, lane, client) = (frontend.clone(), lane.clone(), client.clone());
        async move { Ok::<_, Infallible>(exchange::answer(&frontend, &lane, &client, request).await) }
    });
    let builder = builder(&lane);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // Towards the end: HTTP/2 can say that no further request will be taken (GOAWAY) at any time. HTTP/1.1 can say it
    // with a response only, so a connection without a request is left until one comes or the limit does: closed now, it
    // would fail a request that is on its way.
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = lane.closing().cancelled() => None,
    };
    let mut told = false;
    let ended = match ended {
        Some(ended) => ended,
        None => loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = speaks_http2.cancelled(), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = lane.closed().cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection.as_mut() => break ended,
                        () = lane.abandoned().cancelled() => break Ok(()),
                    }
                }
            }
        },
    };
    if let Err(error) = ended {
        // Mostly clients that went away in the middle; what matters of it is counted where it happens.
        tracing::debug!(service = %frontend.service(), error, "a client's connection broke");
    }
}

fn builder(lane: &Lane) -> auto::Builder<TokioExecutor> {
    let limits = lane.limits();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The most headers of a request are hyper's own limit, 100: for any other it takes memory for each head.
    builder
        .http1()
        .timer(OneTimer::new())
        .header_read_timeout(limits.idle_max)
        .max_buf_size(limits.head_bytes_max)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.idle_max / 2)
        .keep_alive_timeout(limits.idle_max / 2);
    builder
}
