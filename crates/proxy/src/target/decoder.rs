//! A response's body as HTTP/1.1 frames it (RFC 9112, sections 6 and 7). No I/O.

use super::Error;
use super::head::is_framing;
use bytes::{Buf as _, Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Status};
use hyper::HeaderMap;
use hyper::body::Frame;
use hyper::header::{HeaderName, HeaderValue};

/// The longest line of a chunk's size, with extensions, in bytes. Extensions say nothing to anybody.
const SIZE_LINE_MAX: usize = 1024;
/// The most trailers, and all of them in bytes.
const TRAILERS_MAX: usize = 64;
const TRAILERS_BYTES_MAX: usize = 16 * 1024;

/// What of a response's body is still to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// Nothing.
    Ended,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Whatever comes until the target closes the connection.
    UntilClosed,
}

/// Where in its chunks a body is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a chunk's size.
    Size,
    /// In a chunk that has so many bytes left, at least one.
    Data(u64),
    /// Before the line end of a chunk.
    End,
    /// Behind the last chunk.
    Trailers,
}

impl Decoder {
    /// A body of this length.
    pub(super) fn of_length(length: u64) -> Self {
        if length == 0 {
            Self::Ended
        } else {
            Self::Length(length)
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        *self == Self::Ended
    }

    /// Takes the next part out of what has come; `None` if more has to come first, or nothing more comes.
    ///
    /// # Errors
    /// [`Error::Malformed`]. Nothing more can be understood then.
    pub(super) fn decode(&mut self, come: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Error> {
        match self {
            Self::Ended => Ok(None),
            Self::UntilClosed => Ok(take(come, u64::MAX).map(Frame::data)),
            Self::Length(left) => {
                let Some(data) = take(come, *left) else {
                    return Ok(None);
                };
                *self = Self::of_length(*left - data.len() as u64);
                Ok(Some(Frame::data(data)))
            }
            Self::Chunked(_) => self.decode_chunks(come),
        }
    }

    fn decode_chunks(&mut self, come: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Error> {
        while let Self::Chunked(at) = self {
            match at {
                Chunk::Size => match httparse::parse_chunk_size(come) {
                    // No digit at all is read as 0.
                    Ok(Status::Complete((line, size)))
                        if line <= SIZE_LINE_MAX && come.first().is_some_and(u8::is_ascii_hexdigit) =>
                    {
                        come.advance(line);
                        *at = if size == 0 {
                            Chunk::Trailers
                        } else {
                            Chunk::Data(size)
                        };
                    }
                    Ok(Status::Partial) if come.len() <= SIZE_LINE_MAX => return Ok(None),
                    _ => return Err(Error::Malformed("a chunk without a size")),
                },
                Chunk::Data(left) => {
                    let Some(data) = take(come, *left) else {
                        return Ok(None);
                    };
                    *left -= data.len() as u64;
                    if *left == 0 {
                        *at = Chunk::End;
                    }
                    return Ok(Some(Frame::data(data)));
                }
                Chunk::End => match &come[..come.len().min(2)] {
                    b"\r\n" => {
                        come.advance(2);
                        *at = Chunk::Size;
                    }
                    b"" | b"\r" => return Ok(None),
                    _ => return Err(Error::Malformed("a chunk of another size than it said")),
                },
                Chunk::Trailers => {
                    let Some(trailers) = take_trailers(come)? else {
                        return Ok(None);
                    };
                    *self = Self::Ended;
                    return Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)));
                }
            }
        }
        Ok(None)
    }

    /// The target has closed the connection, and everything that came before was decoded.
    ///
    /// # Errors
    /// [`Error::Closed`] if the body isn't whole.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::Ended | Self::UntilClosed => {
                *self = Self::Ended;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Error::Closed),
        }
    }
}

/// Up to so many bytes of what has come, if anything has.
fn take(come: &mut BytesMut, most: u64) -> Option<Bytes> {
    let length = usize::try_from(most).map_or(come.len(), |most| most.min(come.len()));
    (length > 0).then(|| come.split_to(length).freeze())
}

/// The trailers, once their last line has come.
fn take_trailers(come: &mut BytesMut) -> Result<Option<HeaderMap>, Error> {
    let malformed = Error::Malformed("trailers that are none");
    let mut fields = [EMPTY_HEADER; TRAILERS_MAX];
    let (length, trailers) = match httparse::parse_headers(come, &mut fields) {
        Ok(Status::Complete((length, fields))) if length <= TRAILERS_BYTES_MAX => {
            let fields = fields.iter().map(|field| {
                let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
                Some((name, HeaderValue::from_bytes(field.value).ok()?))
            });
            let trailers: Option<Vec<_>> = fields.collect();
            (length, trailers.ok_or(malformed)?)
        }
        Ok(Status::Partial) if come.len() <= TRAILERS_BYTES_MAX => return Ok(None),
        _ => return Err(malformed),
    };
    come.advance(length);
    let mut kept = HeaderMap::new();
    for (name, value) in trailers {
        if !is_framing(&name) {
            kept.append(name, value);
        }
    }
    Ok(Some(kept))
}
