//! Heads of requests and of their responses as HTTP/1.1 writes them (RFC 9112). No I/O.

use super::Error;
use super::decoder::{Chunk, Decoder};
use super::encoder::Encoder;
use crate::headers::{has_token, path};
use bytes::{BufMut as _, BytesMut};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::{request, response};
use hyper::{HeaderMap, Response, StatusCode};
use std::fmt::Write as _;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The longest head of a response, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most headers of a response.
const HEADERS_MAX: usize = 128;
/// Room for headers that the proxy or hyper's server adds to a response, so that its map needn't grow for them.
const HEADERS_ADDED: usize = 4;
/// What a request's head takes as a rule, in bytes.
const HEAD_BYTES_USUAL: usize = 512;

/// The head of a response, and what it says of the rest.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: response::Parts,
    pub(super) body: Decoder,
    /// Whether the connection may have another request after this response.
    pub(super) keeps: bool,
}

/// Headers that say how a message is framed or where it goes, and so can't come behind it (RFC 9110, section 6.5.1).
pub(super) fn is_framing(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        HOST,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ]
    .contains(name)
}

/// Writes the head of a request whose body is framed so.
pub(super) fn write(head: &request::Parts, body: &Encoder, to: &mut BytesMut) {
    to.reserve(HEAD_BYTES_USUAL);
    to.put_slice(head.method.as_str().as_bytes());
    to.put_u8(b' ');
    to.put_slice(path(&head.uri).as_bytes());
    to.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        // Said below, as it is: a length without its bytes would take the next request for them.
        let length = name == CONTENT_LENGTH && (*body != Encoder::Nothing || value != "0");
        if !length && name != TRANSFER_ENCODING {
            write_field(name, value.as_bytes(), to);
        }
    }
    match body {
        Encoder::Nothing => {}
        // A buffer grows as it must, so that writing to it can't fail.
        Encoder::Length(length) => drop(write!(to, "content-length: {length}\r\n")),
        Encoder::Chunked => to.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    to.put_slice(b"\r\n");
}

pub(super) fn write_field(name: &HeaderName, value: &[u8], to: &mut BytesMut) {
    to.put_slice(name.as_str().as_bytes());
    to.put_slice(b": ");
    to.put_slice(value);
    to.put_slice(b"\r\n");
}

/// Takes the head of a response out of what has come, and what a target says before it (status 1xx), which is for no
/// one but us. `None` if more has to come first.
///
/// # Errors
/// [`Error::Malformed`]. Nothing more can be understood then.
pub(super) fn parse(come: &mut BytesMut, asked_for_head: bool) -> Result<Option<Answer>, Error> {
    while !come.is_empty() {
        let Some((mut head, is_1_1)) = parse_one(come)? else {
            return Ok(None);
        };
        if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        let keeps = if head.headers.contains_key(CONNECTION) {
            let says = |token| has_token(&head.headers, &CONNECTION, token);
            !says("close") && (is_1_1 || says("keep-alive"))
        } else {
            is_1_1
        };
        let has_no_body = asked_for_head
            || head.status == StatusCode::SWITCHING_PROTOCOLS
            || head.status == StatusCode::NO_CONTENT
            || head.status == StatusCode::NOT_MODIFIED;
        let body = if has_no_body {
            Decoder::Ended
        } else {
            framing(&mut head.headers, is_1_1)?
        };
        return Ok(Some(Answer {
            keeps: keeps && body != Decoder::UntilClosed,
            head,
            body,
        }));
    }
    Ok(None)
}

/// The next head, and whether it is of HTTP/1.1 rather than 1.0.
fn parse_one(come: &mut BytesMut) -> Result<Option<(response::Parts, bool)>, Error> {
    let mut fields = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, come, &mut fields);
    let length = match status {
        Ok(Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(Status::Partial) if come.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(_) => return Err(Error::Malformed("a head that is too long")),
        Err(_) => return Err(Error::Malformed("a head that is none of HTTP/1.1")),
    };
    let malformed = || Error::Malformed("a head that is none of HTTP/1.1");
    let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let mut head = Response::new(()).into_parts().0;
    head.status = code.ok_or_else(malformed)?;
    if let Some(reason) = parsed.reason
        && Some(reason) != head.status.canonical_reason()
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        head.extensions.insert(reason);
    }
    let is_1_1 = parsed.version == Some(1);
    let places: Vec<_> = parsed
        .headers
        .iter()
        .map(|field| (place(field.name.as_bytes(), come), place(field.value, come)))
        .collect();
    let bytes = come.split_to(length).freeze();
    head.headers.reserve(places.len() + HEADERS_ADDED);
    for (name, value) in places {
        let name = HeaderName::from_bytes(&bytes[name]).map_err(|_| malformed())?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| malformed())?;
        head.headers.append(name, value);
    }
    Ok(Some((head, is_1_1)))
}

/// Where in `whole` a part of it lies.
fn place(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// How the body behind these headers is framed (RFC 9112, section 6.3). Chunks are preferred to a length, and a length
/// that was said twice the same is said once, so that whoever hears it from us can't understand it in another way.
fn framing(headers: &mut HeaderMap, is_1_1: bool) -> Result<Decoder, Error> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        // Other codings are for those who asked for them, which we don't.
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !is_chunked || !is_1_1 {
            return Err(Error::Malformed("a body in an unknown coding"));
        }
        headers.remove(CONTENT_LENGTH);
        return Ok(Decoder::Chunked(Chunk::Size));
    }
    let said = headers.get_all(CONTENT_LENGTH);
    let Some(first) = said.iter().next() else {
        return Ok(Decoder::UntilClosed);
    };
    let once = said.iter().nth(1).is_none();
    let length = length(first).filter(|_| said.iter().all(|other| other == first));
    let length = length.ok_or(Error::Malformed("a body whose length is none"))?;
    if !once {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(Decoder::of_length(length))
}

fn length(value: &HeaderValue) -> Option<u64> {
    let digits = value.to_str().ok()?;
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().ok()).flatten()
}
