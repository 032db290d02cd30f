//! A request's body as HTTP/1.1 frames it (RFC 9112, sections 6 and 7). No I/O.

use super::Error;
use super::head::{self, is_framing};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use std::fmt::Write as _;
use std::io::IoSlice;

/// What is on its way to the socket: a head or a chunk's size, the body's own bytes, and what ends a chunk.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) lead: BytesMut,
    data: Bytes,
    tail: &'static [u8],
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.lead.is_empty() && self.data.is_empty() && self.tail.is_empty()
    }

    /// What is to be sent, if it is in one place, as a request without a body is.
    pub(super) fn only(&self) -> Option<&[u8]> {
        (self.data.is_empty() && self.tail.is_empty()).then_some(&*self.lead)
    }

    pub(super) fn slices(&self) -> [IoSlice<'_>; 3] {
        [
            IoSlice::new(&self.lead),
            IoSlice::new(&self.data),
            IoSlice::new(self.tail),
        ]
    }

    /// So many bytes were sent.
    pub(super) fn advance(&mut self, sent: usize) {
        let of_lead = sent.min(self.lead.len());
        self.lead.advance(of_lead);
        let of_data = (sent - of_lead).min(self.data.len());
        self.data.advance(of_data);
        self.tail = &self.tail[sent - of_lead - of_data..];
    }
}

/// How a request's body is framed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Encoder {
    /// There is none, or it was encoded to its end.
    Nothing,
    /// So many bytes are still to come.
    Length(u64),
    /// Chunk by chunk.
    Chunked,
}

impl Encoder {
    /// The framing of a body of which nothing was read yet.
    pub(super) fn of(body: &impl Body) -> Self {
        if body.is_end_stream() {
            return Self::Nothing;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }

    /// Puts a frame into an outbox whose last frame was sent.
    ///
    /// # Errors
    /// [`Error::Length`] if the body has more bytes than it should.
    pub(super) fn frame(&mut self, frame: Frame<Bytes>, out: &mut Outbox) -> Result<(), Error> {
        match frame.into_data() {
            Ok(data) => self.data(data, out),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.trailers(&trailers, out);
                }
                Ok(())
            }
        }
    }

    /// Only chunks have room for them.
    fn trailers(&mut self, trailers: &HeaderMap, out: &mut Outbox) {
        if *self == Self::Chunked {
            out.lead.put_slice(b"0\r\n");
            let sent = trailers.iter().filter(|(name, _)| !is_framing(name));
            sent.for_each(|(name, value)| head::write_field(name, value.as_bytes(), &mut out.lead));
            out.lead.put_slice(b"\r\n");
            *self = Self::Nothing;
        }
    }

    fn data(&mut self, data: Bytes, out: &mut Outbox) -> Result<(), Error> {
        // An empty chunk would be the last.
        if data.is_empty() {
            return Ok(());
        }
        match self {
            Self::Nothing => return Err(Error::Length),
            Self::Length(left) => *left = left.checked_sub(data.len() as u64).ok_or(Error::Length)?,
            Self::Chunked => {
                // It grows as it must.
                let _ = write!(out.lead, "{:x}\r\n", data.len());
                out.tail = b"\r\n";
            }
        }
        out.data = data;
        Ok(())
    }

    /// Puts the body's end into the outbox.
    ///
    /// # Errors
    /// [`Error::Length`] if the body has fewer bytes than it should.
    pub(super) fn end(&mut self, out: &mut Outbox) -> Result<(), Error> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing | Self::Length(0) => Ok(()),
            Self::Length(_) => Err(Error::Length),
            Self::Chunked => {
                out.lead.put_slice(b"0\r\n\r\n");
                Ok(())
            }
        }
    }
}
