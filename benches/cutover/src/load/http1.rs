//! A client of HTTP/1.1 that knows no more than it needs, so that the load leaves the processors to what is measured.

use super::tally::Tally;
use super::{ANSWER_LIMIT, Pace};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: web\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
/// The longest answer.
const ANSWER_LENGTH_MAX: usize = 4096;

pub async fn run(port: u16, mut pace: Pace, tally: Arc<Tally>) {
    let mut connection = None;
    let mut buffer = Vec::with_capacity(ANSWER_LENGTH_MAX);
    while let Some(due) = pace.due().await {
        let newest = tally.newest();
        let asked = tokio::time::timeout(ANSWER_LIMIT, ask(port, &mut connection, &mut buffer)).await;
        match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(release) => tally.answered(due, newest, release),
            Err(error) => {
                connection = None;
                tally.failed(error.to_string());
            }
        }
    }
}

/// Sends one request; the release that answered.
async fn ask(port: u16, connection: &mut Option<TcpStream>, buffer: &mut Vec<u8>) -> io::Result<u64> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    stream.write_all(REQUEST).await?;
    buffer.clear();
    let answer = loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(answer) = Answer::parse(buffer)? {
            break answer;
        }
    };
    if !answer.closes {
        *connection = Some(stream);
    }
    Ok(answer.release)
}

struct Answer {
    release: u64,
    closes: bool,
}

impl Answer {
    /// `None` until it is whole.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        if bytes.len() > ANSWER_LENGTH_MAX {
            return Err(io::Error::other("the answer is too long"));
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
        if !head.starts_with("HTTP/1.1 200 ") {
            let line = head.lines().next().unwrap_or_default();
            return Err(io::Error::other(line.to_owned()));
        }
        let field = |wanted: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            Some(value.trim())
        };
        let length = field("content-length").and_then(|text| text.parse::<usize>().ok());
        let length = length.ok_or_else(|| io::Error::other("the answer has no length"))?;
        let body = &bytes[end + 4..];
        if body.len() < length {
            return Ok(None);
        }
        let release = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok());
        Ok(Some(Self {
            release: release.ok_or_else(|| io::Error::other("the answer names no release"))?,
            closes: field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        }))
    }
}
