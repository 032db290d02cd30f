//! Bodies, headers and protocols on their way through.

use crate::client::{Client, connect_http2};
use crate::rig::{HOST, LIMIT, Rig};
use crate::task::Task;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Frame};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use proxy_control::Protocol;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A body that is sent as it is made.
struct Chunks(mpsc::Receiver<Frame<Bytes>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_at_once() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let stream = tokio::net::TcpStream::connect((HOST, rig.stable_port))
        .await
        .unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (chunks, body) = mpsc::channel(1);
    let request = Request::post("/echo")
        .header("host", "web")
        .body(Chunks(body))
        .unwrap();
    chunks.send(Frame::data("0".into())).await.unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    // Each piece comes back before the next is sent, so nobody on the way waits for the whole.
    for number in 0..20_u8 {
        let came = tokio::time::timeout(LIMIT, response.frame())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(came.unwrap().into_data().unwrap(), number.to_string());
        chunks
            .send(Frame::data((number + 1).to_string().into()))
            .await
            .unwrap();
    }
    drop(chunks);
    assert_eq!(response.collect().await.unwrap().to_bytes(), "20");
    assert_eq!(rig.in_flight().await, 0);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_comes_whole() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let large: Bytes = (0..8_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let mut client = Client::new(rig.stable_port);
    let answer = client.ask(Request::put("/length"), large.clone()).await.unwrap();
    assert_eq!(answer.text, large.len().to_string());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_reaches_tasks_of_either_protocol_with_its_trailers() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    let mut point = rig.point(task.target);
    for (protocol, version) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::H2c, "HTTP/2.0")] {
        point.protocol = protocol;
        rig.control().point(point.clone()).await.unwrap();
        let mut sender = connect_http2(rig.stable_port).await;
        let request = Request::get("http://web.example/headers")
            .body(Empty::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let text = response.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(
            text.starts_with(version) && text.contains("web.example"),
            "{text}"
        );
        assert!(text.contains(r#""x-forwarded-for": "127.0.0.1""#), "{text}");
    }
    // gRPC's status is in the trailers.
    let stream = tokio::net::TcpStream::connect((HOST, rig.stable_port))
        .await
        .unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let (chunks, body) = mpsc::channel(2);
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    chunks.send(Frame::data("data".into())).await.unwrap();
    chunks.send(Frame::trailers(trailers)).await.unwrap();
    drop(chunks);
    let request = Request::post("http://web/echo").body(Chunks(body)).unwrap();
    let echoed = sender
        .send_request(request)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(echoed.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(echoed.to_bytes(), "data");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_0_client_is_served_and_nonsense_is_refused() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let port = rig.stable_port;
    let said = move |text: &'static str| {
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect((HOST, port)).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            // A reset is an end too.
            let _ = stream.read_to_string(&mut answer);
            answer
        })
    };
    let old = said("GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(
        old.starts_with("HTTP/1.0 200 OK") && old.ends_with("\r\n\r\n1"),
        "{old}"
    );
    for nonsense in [
        "GET\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "CONNECT web:80 HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n",
    ] {
        let answer = said(nonsense).await.unwrap();
        let refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 501");
        assert!(refused, "{nonsense:?}: {answer}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_refused() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let mut client = Client::new(rig.stable_port);
    let long = "x".repeat(rig.config().head_bytes_max);
    let answer = client
        .ask(Request::get("/").header("x-long", long), "".into())
        .await;
    let refused = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    assert!(
        answer.as_ref().is_ok_and(|answer| answer.status == refused),
        "{answer:?}"
    );
    proxy.stop().await;
}
