//! A client of HTTP/2 with prior knowledge.

use super::tally::Tally;
use super::{ANSWER_LIMIT, Pace};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpStream;

type Sender = http2::SendRequest<Empty<Bytes>>;

pub async fn run(port: u16, mut pace: Pace, tally: Arc<Tally>) {
    let mut sender = None;
    while let Some(due) = pace.due().await {
        let newest = tally.newest();
        let asked = tokio::time::timeout(ANSWER_LIMIT, ask(port, &mut sender)).await;
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
/// said that it goes away (RFC 9113, section 6.8), was never sent, and is sent on the next connection.
async fn ask(port: u16, sender: &mut Option<Sender>) -> anyhow::Result<u64> {
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
            Err(error) => return Err(error.into_error().into()),
        };
        anyhow::ensure!(response.status() == StatusCode::OK, "{}", response.status());
        let body = response.into_body().collect().await?.to_bytes();
        *sender = Some(open);
        return std::str::from_utf8(&body)?
            .parse()
            .context("the answer names no release");
    }
}

async fn connect(port: u16) -> anyhow::Result<Sender> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // What breaks it is told to the request.
    tokio::spawn(connection);
    Ok(sender)
}
