//! Clients that keep their connection, and count each request that is not answered as it should be.

use crate::rig::HOST;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper::header::CONNECTION;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A client with one HTTP/1.1 connection at a time. It repeats nothing.
pub struct Client {
    port: u16,
    sender: Option<http1::SendRequest<Full<Bytes>>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Client {
    pub fn new(port: u16) -> Self {
        Self { port, sender: None }
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer, hyper::Error> {
        self.ask(Request::get(path), Bytes::new()).await
    }

    pub async fn ask(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, hyper::Error> {
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => connect(self.port).await?,
        };
        let request = request.header("host", "web").body(Full::from(body)).unwrap();
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = body.collect().await?.to_bytes();
        if head.headers.get(CONNECTION).is_none_or(|value| value != "close") {
            self.sender = Some(sender);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}

async fn connect(port: u16) -> Result<http1::SendRequest<Full<Bytes>>, hyper::Error> {
    let stream = TcpStream::connect((HOST, port)).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// An HTTP/2 connection with prior knowledge.
pub async fn connect_http2(port: u16) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect((HOST, port)).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// Clients that ask one thing after the other.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    /// Half of them speak HTTP/1.1 and half HTTP/2.
    pub fn start(port: u16, clients: usize) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            clients: JoinSet::new(),
        };
        for number in 0..clients {
            let (stop, answered) = (load.stop.clone(), load.answered.clone());
            if number % 2 == 0 {
                load.clients.spawn(http1_client(port, stop, answered));
            } else {
                load.clients.spawn(http2_client(port, stop, answered));
            }
        }
        load
    }

    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends the clients; what failed, in words.
    pub async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }
}

async fn http1_client(port: u16, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) -> Vec<String> {
    let mut client = Client::new(port);
    let mut failed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        match client.get("/").await {
            Ok(answer) if answer.status == StatusCode::OK => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            other => failed.push(format!("HTTP/1.1: {other:?}")),
        }
    }
    failed
}

/// Whether the far end goes away without trouble and says that it has not begun with this request (RFC 9113, section
/// 6.8), as it may of one that crosses the word that no more are taken.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| {
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
    })
}

async fn http2_client(port: u16, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) -> Vec<String> {
    let mut sender = connect_http2(port).await;
    let mut failed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // A connection that the proxy is about to close takes no more requests, and tells so in time.
        if sender.ready().await.is_err() {
            sender = connect_http2(port).await;
        }
        let request = Request::get(format!("http://web:{port}/"))
            .body(Empty::new())
            .unwrap();
        match sender.try_send_request(request).await {
            Ok(response) => {
                let status = response.status();
                let body = response.into_body().collect().await;
                if status == StatusCode::OK && body.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                } else {
                    failed.push(format!("HTTP/2: {status} {:?}", body.err()));
                }
            }
            // Not sent, since the connection was about to close: nobody was asked.
            Err(error) if error.message().is_some() => {}
            Err(error) if is_unprocessed(error.error()) => sender = connect_http2(port).await,
            Err(error) => failed.push(format!("HTTP/2: {error:?}")),
        }
    }
    failed
}
