//! One connection to a target over HTTP/1.1: its socket and its buffers.

use super::encoder::Outbox;
use bytes::BytesMut;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;

/// How much is read at once, in bytes: at first, and when a target has a lot to say.
const PORTION: usize = 8 * 1024;
const PORTION_MAX: usize = 128 * 1024;

/// A connection, which whoever has it drives.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) reader: Reader,
    /// `None` once a request's body goes its own way.
    pub(super) writer: Option<Writer>,
    /// Its place among the timers, which is only moved on from request to request.
    patience: Pin<Box<Sleep>>,
}

#[derive(Debug)]
pub(super) struct Reader {
    stream: OwnedReadHalf,
    /// What came and was not understood yet.
    pub(super) come: BytesMut,
    portion: usize,
}

#[derive(Debug)]
pub(super) struct Writer {
    stream: OwnedWriteHalf,
    pub(super) out: Outbox,
    /// Whether anything of the present request was sent.
    pub(super) begun: bool,
}

impl Connection {
    /// Connects to a port on loopback.
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            reader: Reader {
                stream: reader,
                come: BytesMut::new(),
                portion: PORTION,
            },
            writer: Some(Writer {
                stream: writer,
                out: Outbox::default(),
                begun: false,
            }),
            patience: Box::pin(tokio::time::sleep(Duration::ZERO)),
        })
    }

    /// Whether a connection without a request is as it should be: the target has neither closed it nor said anything.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.reader.come.is_empty() && self.reader.poll_read(&mut nobody).is_pending()
    }

    /// Gives back the memory that a large response has left.
    pub(super) fn tidy(&mut self) {
        if self.reader.portion > PORTION {
            self.reader.portion = PORTION;
            self.reader.come = BytesMut::new();
        }
    }

    /// Begins to wait, for so long.
    pub(super) fn wait(&mut self, limit: Duration) {
        self.patience.as_mut().reset(Instant::now() + limit);
    }

    /// Ready when the wait is over.
    pub(super) fn poll_waited(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.patience.as_mut().poll(context)
    }

    /// The socket and what came behind the response that made it another protocol's.
    pub(super) fn into_socket(self) -> Option<(TcpStream, BytesMut)> {
        let Self { reader, writer, .. } = self;
        let stream = reader.stream.reunite(writer?.stream).ok()?;
        Some((stream, reader.come))
    }
}

impl Reader {
    /// Reads what there is; 0 once the target has closed the connection.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.come.capacity() - self.come.len() < self.portion / 2 {
            self.come.reserve(self.portion);
        }
        let room = self.come.capacity() - self.come.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), context, &mut self.come))?;
        if read == room {
            self.portion = (self.portion * 2).min(PORTION_MAX);
        }
        Poll::Ready(Ok(read))
    }
}

impl Writer {
    /// Lets go of it, so that nothing more is sent, while the connection stays as it is until its reader goes too.
    pub(super) fn forget(self) {
        self.stream.forget();
    }

    /// Sends what is in the outbox; ready once all of it was sent.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let sent = ready!(match self.out.only() {
                Some(bytes) => stream.poll_write(context, bytes),
                None => stream.poll_write_vectored(context, &self.out.slices()),
            })?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.begun = true;
            self.out.advance(sent);
        }
        Poll::Ready(Ok(()))
    }
}
