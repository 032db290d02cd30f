//! One codec for every protocol.

use super::frame::{read_body, read_length, write_length};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// The first byte of an answer that has a body.
const STATUS_BODY: u8 = 0;
/// The first byte of an answer that says no, and why in one byte's worth of words: try elsewhere.
const STATUS_REFUSED: u8 = 1;

/// A request, on its way out or just come in.
#[derive(Debug)]
pub(crate) struct Request {
    /// What is asked, as the protocol encodes it.
    pub(crate) body: Vec<u8>,
    /// The longest answer that will be read, in bytes. Not sent.
    pub(crate) answer_length_max: usize,
    /// The share of the budget for requests that came in. Not sent.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl Request {
    pub(crate) fn new(body: Vec<u8>, answer_length_max: usize) -> Self {
        Self {
            body,
            answer_length_max,
            permit: None,
        }
    }
}

/// An answer, on its way out or just come in. Only the first two ever come in.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Here it is.
    Body(Vec<u8>),
    /// Not from here, not now.
    Refused,
    /// The body is sent when it is there. A sender that is dropped breaks the stream.
    Later(oneshot::Receiver<Vec<u8>>),
}

/// Reads and writes frames within one protocol's limits.
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    /// The longest request that will be read, in bytes.
    request_length_max: usize,
    /// Bytes of requests, of all connections together, that may be in memory at once.
    budget: Arc<Semaphore>,
    /// How long a stream may stand still before it is given up.
    stall: Duration,
    /// The request whose answer this copy of the codec is going to read.
    answer_length_max: Option<usize>,
}

impl Codec {
    /// `budget_bytes` is at least `request_length_max`, or a longest request would wait for ever.
    pub(crate) fn new(request_length_max: usize, budget_bytes: usize, stall: Duration) -> Self {
        let budget = Arc::new(Semaphore::new(budget_bytes.max(request_length_max)));
        Self {
            request_length_max,
            budget,
            stall,
            answer_length_max: None,
        }
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io, self.request_length_max).await?;
        let permits = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?;
        let permit = Arc::clone(&self.budget)
            .acquire_many_owned(permits)
            .await
            .map_err(io::Error::other)?;
        let body = read_body(io, length, self.stall).await?;
        Ok(Request {
            permit: Some(permit),
            ..Request::new(body, 0)
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        // The handler writes a request and reads its answer with one copy of the codec, in turn.
        let length_max = self.answer_length_max.take().ok_or(io::ErrorKind::InvalidInput)?;
        read_answer(io, length_max, self.stall).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.answer_length_max = Some(request.answer_length_max);
        write_length(io, request.body.len()).await?;
        io.write_all(&request.body).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match answer {
            Answer::Refused => io.write_all(&[STATUS_REFUSED]).await,
            Answer::Body(body) => write_body(io, &body).await,
            Answer::Later(body) => {
                let body = body.await.map_err(|_| io::ErrorKind::ConnectionAborted)?;
                write_body(io, &body).await
            }
        }
    }
}

async fn read_answer<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    length_max: usize,
    stall: Duration,
) -> io::Result<Answer> {
    let mut status = [0];
    timeout(stall, io.read_exact(&mut status)).await??;
    match status[0] {
        STATUS_BODY => {
            let length = read_length(io, length_max).await?;
            read_body(io, length, stall).await.map(Answer::Body)
        }
        STATUS_REFUSED => Ok(Answer::Refused),
        other => {
            let reason = format!("an answer of status {other}, which is unknown");
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
    }
}

async fn write_body<T: AsyncWrite + Unpin + Send>(io: &mut T, body: &[u8]) -> io::Result<()> {
    io.write_all(&[STATUS_BODY]).await?;
    write_length(io, body.len()).await?;
    io.write_all(body).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::request_response::Codec as _;

    static PROTOCOL: StreamProtocol = StreamProtocol::new("/test");
    const STALL: Duration = Duration::from_secs(60);

    /// Sends an answer to somebody who asked for at most so many bytes.
    async fn carry(answer: Answer, length_max: usize) -> io::Result<Answer> {
        let mut codec = Codec::new(100, 100, STALL);
        let mut wire = Vec::new();
        codec.write_response(&PROTOCOL, &mut wire, answer).await?;
        read(&wire, length_max).await
    }

    async fn read(wire: &[u8], length_max: usize) -> io::Result<Answer> {
        let mut codec = Codec::new(100, 100, STALL);
        let request = Request::new(Vec::new(), length_max);
        codec.write_request(&PROTOCOL, &mut Vec::new(), request).await?;
        codec.read_response(&PROTOCOL, &mut &wire[..]).await
    }

    #[tokio::test]
    async fn answers_of_every_kind_arrive() {
        let (sender, later) = oneshot::channel();
        sender.send(b"late".to_vec()).unwrap();
        for (answer, expected) in [
            (Answer::Body(b"now".to_vec()), &b"now"[..]),
            (Answer::Later(later), b"late"),
        ] {
            let arrived = carry(answer, 6).await.unwrap();
            assert!(
                matches!(&arrived, Answer::Body(body) if body == expected),
                "{arrived:?}"
            );
        }
        assert!(matches!(carry(Answer::Refused, 6).await, Ok(Answer::Refused)));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_its_word_is_no_answer() {
        // Longer than was asked for, shorter than was said, never said.
        assert!(carry(Answer::Body(vec![0; 7]), 6).await.is_err());
        let (sender, never) = oneshot::channel();
        drop(sender);
        assert!(carry(Answer::Later(never), 6).await.is_err());
        for wire in [
            &[][..],
            &[9],
            &[0, 0, 0],
            &[0, 0, 0, 0, 2, 1],
            &[0, 255, 255, 255, 255],
        ] {
            assert!(read(wire, 6).await.is_err(), "{wire:?}");
        }
    }

    #[tokio::test]
    async fn requests_beyond_the_budget_wait_until_others_are_dealt_with() {
        let mut codec = Codec::new(100, 150, STALL);
        let mut wire = Vec::new();
        codec
            .write_request(&PROTOCOL, &mut wire, Request::new(vec![7; 100], 0))
            .await
            .unwrap();
        let first = codec.read_request(&PROTOCOL, &mut &wire[..]).await.unwrap();
        let mut another = codec.clone();
        let mut rest = &wire[..];
        let second = another.read_request(&PROTOCOL, &mut rest);
        let mut second = std::pin::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(second.await.unwrap().body, [7; 100]);
    }
}
