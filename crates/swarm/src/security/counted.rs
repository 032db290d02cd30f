//! Counts what the control plane costs on the wire.

use crate::metrics::{self, Direction};
use crate::security::Plane;
use futures::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A connection whose bytes are counted, both ways.
#[derive(Debug)]
pub(crate) struct Counted<C>(C);

impl<C> Counted<C> {
    pub(super) fn new(connection: C) -> Self {
        Self(connection)
    }
}

fn count(direction: Direction, moved: &io::Result<usize>) {
    if let Ok(bytes) = moved {
        metrics::count_wire(Plane::Control, direction, *bytes as u64);
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Counted<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.0).poll_read(cx, buffer));
        count(Direction::In, &read);
        Poll::Ready(read)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Counted<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write(cx, bytes));
        count(Direction::Out, &written);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
