//! Asking a task over HTTP.

use super::Unhealthy;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The status of the answer; the body is not read. The connection is made for this one question, and knows no proxy.
pub(super) async fn status_of(stream: TcpStream, port: u16, path: &str) -> Result<u16, Unhealthy> {
    let protocol = |error: &dyn std::error::Error| Unhealthy::Protocol(error.to_string());
    let request = Request::get(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(USER_AGENT, "starling-agent")
        .header(CONNECTION, "close")
        .body(String::new())
        .map_err(|error| protocol(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| protocol(&error))?;
    // The answer comes only while the connection is driven; both end with this function.
    tokio::pin!(connection);
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer.map(|answer| answer.status().as_u16()).map_err(|error| protocol(&error)),
        ended = &mut connection => match ended {
            Ok(()) => answer.await.map(|answer| answer.status().as_u16()).map_err(|error| protocol(&error)),
            Err(error) => Err(protocol(&error)),
        },
    }
}
