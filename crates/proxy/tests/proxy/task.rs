//! A service's task: a server on loopback that says which release it is, and can be killed.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use model::ReleaseNumber;
use proxy_control::Target;
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// A running task. It is killed when dropped: its sockets close in the middle of whatever they do.
pub struct Task {
    pub target: Target,
    // Dropping a runtime drops every connection.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Task {
    pub fn start(release: i64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let service = service_fn(move |request| async move {
                        Ok::<_, Infallible>(answer(release, request).await)
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    let _ = serving.await;
                });
            }
        });
        Self {
            target: Target {
                port,
                release: ReleaseNumber(release),
            },
            runtime: Some(runtime),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Elsewhere, since a runtime may not wait inside another; its connections are closed when this returns.
            let killed =
                std::thread::spawn(move || runtime.shutdown_timeout(std::time::Duration::from_secs(5)));
            killed.join().unwrap();
        }
    }
}

fn text(text: String) -> Answer {
    Response::new(Full::from(text).map_err(|never| match never {}).boxed())
}

async fn answer(release: i64, mut request: Request<Incoming>) -> Answer {
    match request.uri().path() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            text(format!("{release}"))
        }
        // For ever, unless killed.
        "/never" => std::future::pending().await,
        // Answered by the first releases only when they are killed.
        "/stuck" if release == 1 => std::future::pending().await,
        // What only the second release does badly.
        "/ill" if release == 2 => {
            let mut response = text(format!("{release}"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        "/echo" => Response::new(request.into_body().boxed()),
        "/length" => {
            let body = request.into_body().collect().await.unwrap();
            text(body.to_bytes().len().to_string())
        }
        "/headers" => text(format!(
            "{:?} {} {:?}",
            request.version(),
            request.uri(),
            request.headers()
        )),
        "/upgrade" => {
            let there = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(there.await.unwrap());
                let (mut read, mut write) = tokio::io::split(&mut stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
            let mut response = text(String::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response
                .headers_mut()
                .insert(CONNECTION, "upgrade".parse().unwrap());
            response.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
            response
        }
        _ => text(format!("{release}")),
    }
}
