//! A client of HTTP/1.1 that knows no more than it needs, so that the load leaves the processors to what is measured.

use crate::{ANSWER_LIMIT, Pace, Tally, Target};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest answer.
const ANSWER_LENGTH_MAX: usize = 4096;

pub(crate) async fn run(target: Target, mut pace: Pace, tally: Arc<Tally>) {
    let mut client = Client {
        request: format!(
            "GET {} HTTP/1.1\r\nhost: web\r\nuser-agent: load\r\naccept: */*\r\n\r\n",
            target.path
        ),
        target,
        connection: None,
    };
    let mut buffer = Vec::with_capacity(ANSWER_LENGTH_MAX);
    while let Some(due) = pace.due().await {
        let newest = tally.newest();
        let asked = tokio::time::timeout(ANSWER_LIMIT, client.ask(&mut buffer)).await;
        match asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(release) => tally.answered(due, newest, release),
            Err(error) => {
                client.connection = None;
                tally.failed(error.to_string());
            }
        }
    }
}

/// One client.
struct Client {
    target: Target,
    request: String,
    connection: Option<TcpStream>,
}

impl Client {
    /// Sends one request; the release that answered.
    async fn ask(&mut self, buffer: &mut Vec<u8>) -> io::Result<u64> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.target.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(self.request.as_bytes()).await?;
        buffer.clear();
        let answer = loop {
            if stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = Answer::parse(buffer, self.target.release)? {
                break answer;
            }
        };
        if !answer.closes {
            self.connection = Some(stream);
        }
        Ok(answer.release)
    }
}

struct Answer {
    release: u64,
    closes: bool,
}

impl Answer {
    /// `None` until it is whole.
    fn parse(bytes: &[u8], release: fn(&[u8]) -> Option<u64>) -> io::Result<Option<Self>> {
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
        Ok(Some(Self {
            release: release(body).ok_or_else(|| io::Error::other("the answer names no release"))?,
            closes: field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(answer: &str) -> io::Result<Option<Answer>> {
        let number = |body: &[u8]| std::str::from_utf8(body).ok()?.parse().ok();
        Answer::parse(answer.as_bytes(), number)
    }

    #[test]
    fn only_a_whole_answer_of_200_that_names_its_release_counts() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n17";
        let answer = parse(whole).unwrap().unwrap();
        assert!(answer.closes && answer.release == 17);
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).unwrap().is_none(), "{end}");
        }
        for bad in [
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 1\r\n\r\n1",
            "HTTP/1.1 200 OK\r\n\r\n1",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
            &"x".repeat(ANSWER_LENGTH_MAX + 1),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
