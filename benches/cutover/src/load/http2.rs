//! A client of HTTP/2 with prior knowledge.

use super::tally::Tally;
use super::{ANSWER_LIMIT, Pace};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::error::Error as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpStream;

type Sender = http2::SendRequest<Empty<Bytes>>;

pub async fn run(port: u16, mut pace: Pace, tally: Arc<Tally>) {
    let mut sender = None;
    while let Some(due) = pace.due().await {
        let newest = tally.newest();
        let asked = tokio::time::timeout(ANSWER_LIMIT, ask(port, &mut sender, &tally)).await;
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
async fn ask(port: u16, sender: &mut Option<Sender>, tally: &Tally) -> anyhow::Result<u64> {
    loop {
        let mut open = match sender.take() {
            Some(open) if !open.is_closed() => open,
            _ => connect(port).await?,
        };
        if open.ready().await.is_err() {
            continue;
        }
        let request = Request::get(format!("http://web:{port}/")).body(Empty::new())?;
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
        return std::str::from_utf8(&body)?
            .parse()
            .context("the answer names no release");
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

async fn connect(port: u16) -> anyhow::Result<Sender> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // What breaks it is told to the request.
    tokio::spawn(connection);
    Ok(sender)
}
