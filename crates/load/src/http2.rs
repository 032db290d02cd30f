//! A client of HTTP/2 with prior knowledge.

use crate::{ANSWER_LIMIT, Pace, Tally, Target};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

type Sender = http2::SendRequest<Empty<Bytes>>;

pub(crate) async fn run(target: Target, mut pace: Pace, tally: Arc<Tally>) {
    let mut sender = None;
    while let Some(due) = pace.due().await {
        let newest = tally.newest();
        let asked = tokio::time::timeout(ANSWER_LIMIT, ask(target, &mut sender, &tally)).await;
        match asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in time"))) {
            Ok(release) => tally.answered(due, newest, release),
            Err(error) => {
                sender = None;
                tally.failed(format!("{error:#}"));
            }
        }
    }
}

/// Sends one request; the release that answered. One that the connection did not take any more, since the proxy had
/// said that it goes away, is sent on the next connection: it was never sent, or at least not processed.
async fn ask(target: Target, sender: &mut Option<Sender>, tally: &Tally) -> anyhow::Result<u64> {
    loop {
        let mut open = match sender.take() {
            Some(open) if !open.is_closed() => open,
            _ => connect(target.address).await?,
        };
        if open.ready().await.is_err() {
            continue;
        }
        let request = Request::get(format!("http://web{}", target.path)).body(Empty::new())?;
        let response = match open.try_send_request(request).await {
            Ok(response) => response,
            Err(error) if error.message().is_some() => continue,
            Err(error) => match error.into_error() {
                error if is_unprocessed(&error) => {
                    tally.sent_again();
                    continue;
                }
                error => return Err(error.into()),
            },
        };
        anyhow::ensure!(response.status() == StatusCode::OK, "{}", response.status());
        let body = response.into_body().collect().await?.to_bytes();
        *sender = Some(open);
        return (target.release)(&body).context("the answer names no release");
    }
}

/// Whether the server goes away without trouble and has not begun with this request. It answers those that it has begun
/// with; of the others a client may be sure that nothing was done (RFC 9113, section 6.8). Hyper's client also says so of
/// one that it had taken when it heard of it, and not sent yet.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| {
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
    })
}

async fn connect(address: SocketAddr) -> anyhow::Result<Sender> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // What breaks it is told to the request.
    tokio::spawn(connection);
    Ok(sender)
}
