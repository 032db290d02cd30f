//! Tasks that speak HTTP/1.1 in their own way.

use crate::client::{Answer, Client};
use crate::rig::{HOST, LIMIT, Rig};
use bytes::Bytes;
use hyper::{Request, StatusCode};
use model::ReleaseNumber;
use proxy_control::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A task that answers the n-th head of each connection with the n-th of its words, and closes it after the last.
struct Scripted {
    target: Target,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    async fn start(words: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            port: listener.local_addr().unwrap().port(),
            release: ReleaseNumber(1),
        };
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, words));
            }
        });
        Self { target, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream, words: &[&str]) -> std::io::Result<()> {
    for word in words {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        // In two portions, wherever the cut is.
        let (first, second) = word.as_bytes().split_at(word.len() / 2);
        for part in [first, second] {
            stream.write_all(part).await?;
            tokio::task::yield_now().await;
        }
    }
    stream.shutdown().await?;
    // What was not read when a socket is closed resets the connection, and what was said last may be lost by that.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// What comes back from a target that says this to every request.
async fn asked(words: &'static [&'static str], body: &'static str) -> Result<Answer, hyper::Error> {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let scripted = Scripted::start(words).await;
    rig.point_at(scripted.target).await;
    let mut client = Client::new(rig.stable_port);
    let asked = client.ask(Request::post("/"), Bytes::from_static(body.as_bytes()));
    let answer = tokio::time::timeout(LIMIT, asked).await.unwrap();
    drop(client);
    proxy.stop().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_end_where_they_say_or_with_the_connection() {
    let cases: [&[&str]; 4] = [
        &["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole"],
        &["HTTP/1.0 200 OK\r\n\r\nwhole"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nwho\r\n2\r\nle\r\n0\r\n\r\n"],
        &[
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole",
        ],
    ];
    for words in cases {
        let answer = asked(words, "x").await.unwrap();
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::OK, "whole"),
            "{words:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_none_is_a_bad_gateway_and_one_that_breaks_off_breaks_off() {
    let cases: [&[&str]; 4] = [
        &["nonsense\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
        &["HTTP/1.1 200 OK\r\n"],
        &[""],
    ];
    for words in cases {
        assert_eq!(
            asked(words, "x").await.unwrap().status,
            StatusCode::BAD_GATEWAY,
            "{words:?}"
        );
    }
    let broken: [&[&str]; 2] = [
        &["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwho"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwho"],
    ];
    for words in broken {
        assert!(asked(words, "x").await.is_err(), "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_may_answer_before_the_request_has_come_whole() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let scripted = Scripted::start(&["HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"]).await;
    rig.point_at(scripted.target).await;
    let mut stream = TcpStream::connect((HOST, rig.stable_port)).await.unwrap();
    // The rest is never sent.
    let request = "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4000000\r\n\r\nbegin";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(b"\r\n\r\nno") {
            answer.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 413 "), "{text:?}");
    drop(stream);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_unless_the_target_has_closed_it() {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let rig = Rig::new();
    let mut config = rig.config();
    config.threads = 1;
    let proxy = rig.start_with(config).await;
    let scripted = Scripted::start(&[
        OK,
        OK,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    ])
    .await;
    rig.point_at(scripted.target).await;
    let mut client = Client::new(rig.stable_port);
    // A POST is not repeated, so none was sent into a closed connection.
    for asked in 0..9 {
        let answer = client.ask(Request::post("/"), Bytes::new()).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "ok"));
        assert_eq!(scripted.connections(), asked / 3 + 1);
    }
    drop(client);
    proxy.stop().await;
}
