//! What HTTP/1.1 means, without a socket.

use super::decoder::{Chunk, Decoder};
use super::encoder::{Encoder, Outbox};
use super::{Error, head};
use bytes::{Bytes, BytesMut};
use http_body_util::{Empty, Full};
use hyper::body::Frame;
use hyper::http::request;
use hyper::{HeaderMap, Request, StatusCode};
use proptest::prelude::*;

/// Everything that is to be sent, sent in portions.
fn sent(out: &mut Outbox, portion: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while !out.is_empty() {
        let now: Vec<u8> = out
            .slices()
            .iter()
            .flat_map(|slice| slice.to_vec())
            .take(portion)
            .collect();
        if let Some(only) = out.only() {
            assert!(only.starts_with(&now));
        }
        out.advance(now.len());
        all.extend(now);
    }
    all
}

fn encoded(mut encoder: Encoder, frames: Vec<Frame<Bytes>>, portion: usize) -> Result<Vec<u8>, Error> {
    let (mut out, mut all) = (Outbox::default(), Vec::new());
    for frame in frames {
        encoder.frame(frame, &mut out)?;
        all.extend(sent(&mut out, portion));
    }
    encoder.end(&mut out)?;
    all.extend(sent(&mut out, portion));
    Ok(all)
}

/// The body and the trailers that come in such portions, and what is left over; then the target closes the connection.
fn decoded(mut decoder: Decoder, wire: &[u8], portion: usize) -> Result<(Vec<u8>, HeaderMap, usize), Error> {
    let (mut come, mut body, mut trailers) = (BytesMut::new(), Vec::new(), HeaderMap::new());
    for bytes in wire.chunks(portion) {
        come.extend_from_slice(bytes);
        while let Some(frame) = decoder.decode(&mut come)? {
            match frame.into_data() {
                Ok(data) => body.extend(data),
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            }
        }
    }
    decoder.close()?;
    Ok((body, trailers, come.len()))
}

proptest! {
    #[test]
    fn a_body_comes_as_it_was_sent_in_whatever_portions(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
        (portion_out, portion_in) in (1..50_usize, 1..50_usize),
        trailer: Option<u16>,
    ) {
        let whole = parts.concat();
        let data = || parts.iter().map(|part| Frame::data(Bytes::from(part.clone()))).collect::<Vec<_>>();

        let length = whole.len() as u64;
        let wire = encoded(Encoder::Length(length), data(), portion_out).unwrap();
        prop_assert_eq!(&wire, &whole);
        let left = [&wire[..], b"next"].concat();
        let (body, _, left) = decoded(Decoder::of_length(length), &left, portion_in).unwrap();
        prop_assert_eq!((&body, left), (&whole, 4));

        let trailers: HeaderMap = trailer.map(|number| ("x-sum".parse().unwrap(), number.into())).into_iter().collect();
        let mut frames = data();
        if !trailers.is_empty() {
            frames.push(Frame::trailers(trailers.clone()));
        }
        let wire = encoded(Encoder::Chunked, frames, portion_out).unwrap();
        let left = [&wire[..], b"next"].concat();
        let decoded = decoded(Decoder::Chunked(Chunk::Size), &left, portion_in).unwrap();
        prop_assert_eq!(decoded, (whole, trailers, 4));
    }

    #[test]
    fn any_bytes_are_a_response_or_none(wire: Vec<u8>, plausible: bool, portion in 1..20_usize) {
        let start: &[u8] = if plausible { b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" } else { b"HTTP/1.1 " };
        let mut come = BytesMut::from(&[start, &wire].concat()[..]);
        // No panic.
        if let Ok(Some(answer)) = head::parse(&mut come, false) {
            let _ = decoded(answer.body, &come, portion);
        }
    }
}

#[test]
fn a_body_of_another_length_than_was_said_is_an_error_on_either_side() {
    let three = || vec![Frame::data(Bytes::from_static(b"abc"))];
    for encoder in [Encoder::Length(2), Encoder::Length(4), Encoder::Nothing] {
        assert!(matches!(encoded(encoder, three(), 9), Err(Error::Length)));
    }
    let cut: [(Decoder, &[u8]); 4] = [
        (Decoder::of_length(4), b"abc"),
        (Decoder::Chunked(Chunk::Size), b"3\r\nabc\r\n"),
        (Decoder::Chunked(Chunk::Size), b"3\r\nab"),
        (Decoder::Chunked(Chunk::Size), b"0\r\n"),
    ];
    for (decoder, wire) in cut {
        assert!(
            matches!(decoded(decoder, wire, 2), Err(Error::Closed)),
            "{wire:?}"
        );
    }
    let (body, _, _) = decoded(Decoder::UntilClosed, b"abc", 2).unwrap();
    assert_eq!(body, b"abc");
}

#[test]
fn chunks_that_are_none_are_malformed_and_extensions_and_framing_trailers_say_nothing() {
    let endless = [b"1;", &[b'x'; 2048][..]].concat();
    let trailers = [b"0\r\nx: ", &[b'x'; 20_000][..]].concat();
    let wrong: [&[u8]; 8] = [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"1\r\nab\r\n",
        b"fffffffffffffffff\r\n",
        b"1\nab",
        &endless,
        &trailers,
    ];
    for wire in wrong {
        let result = decoded(Decoder::Chunked(Chunk::Size), wire, 3);
        assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
    }
    let wire = b"2;a=b\r\nab\r\n0;c\r\nContent-Length: 9\r\nX-Sum: 1\r\n\r\n";
    let (body, trailers, left) = decoded(Decoder::Chunked(Chunk::Size), wire, 4).unwrap();
    assert_eq!((&body[..], left), (&b"ab"[..], 0));
    assert_eq!(
        trailers,
        HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())])
    );
}

/// The status, framing and fate of the connection that a response's head says.
fn said(wire: &str, asked_for_head: bool) -> Result<Option<(StatusCode, Decoder, bool)>, Error> {
    let answer = head::parse(&mut BytesMut::from(wire), asked_for_head)?;
    Ok(answer.map(|answer| (answer.head.status, answer.body, answer.keeps)))
}

#[test]
fn the_body_and_the_fate_of_a_connection_follow_from_the_head() {
    let chunked = || Decoder::Chunked(Chunk::Size);
    let cases = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n",
            Decoder::Length(3),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: x, close\r\n",
            Decoder::Length(3),
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n",
            Decoder::Length(3),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\ncontent-length: 3\r\n",
            chunked(),
            true,
        ),
        ("HTTP/1.1 200 OK\r\n", Decoder::UntilClosed, false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n", Decoder::Ended, false),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n",
            Decoder::Ended,
            true,
        ),
        ("HTTP/1.1 204 No Content\r\n", Decoder::Ended, true),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n",
            Decoder::Ended,
            true,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 204 x\r\n",
            Decoder::Ended,
            true,
        ),
    ];
    for (head, body, keeps) in cases {
        let (_, found, found_keeps) = said(&format!("{head}\r\n"), false).unwrap().unwrap();
        assert_eq!((found, found_keeps), (body, keeps), "{head}");
        assert_eq!(said(head, false).unwrap(), None, "{head}");
        let (_, asked_for_head, _) = said(&format!("{head}\r\n"), true).unwrap().unwrap();
        assert_eq!(asked_for_head, Decoder::Ended, "{head}");
    }
    let switched = said("HTTP/1.1 101 Switching Protocols\r\n\r\nany", false)
        .unwrap()
        .unwrap();
    assert_eq!(
        (switched.0, switched.1),
        (StatusCode::SWITCHING_PROTOCOLS, Decoder::Ended)
    );
}

#[test]
fn heads_that_two_readers_could_understand_in_two_ways_are_malformed_and_so_are_endless_ones() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    let heads = [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent length: 3\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "nonsense\r\n\r\n",
        &endless,
        &many,
    ];
    for head in heads {
        assert!(
            matches!(said(head, false), Err(Error::Malformed(_))),
            "{head:.80}"
        );
    }
}

#[test]
fn one_length_is_passed_on_and_none_where_there_are_chunks() {
    let length = |head: &str| {
        let answer = head::parse(&mut BytesMut::from(head), false).unwrap().unwrap();
        answer
            .head
            .headers
            .get_all("content-length")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        length("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n"),
        ["3"]
    );
    assert!(length("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n").is_empty());
}

fn written(head: &request::Parts, encoder: &Encoder) -> String {
    let mut out = BytesMut::new();
    head::write(head, encoder, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn a_request_says_the_length_that_its_body_has_whatever_its_headers_say() {
    let request = |length: &str| {
        let request = Request::post("http://web/a?b")
            .header("host", "web")
            .header("content-length", length);
        request
            .header("transfer-encoding", "gzip")
            .body(())
            .unwrap()
            .into_parts()
            .0
    };
    assert_eq!(
        written(&request("0"), &Encoder::of(&Empty::<Bytes>::new())),
        "POST /a?b HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(
        written(&request("7"), &Encoder::of(&Empty::<Bytes>::new())),
        "POST /a?b HTTP/1.1\r\nhost: web\r\n\r\n"
    );
    assert_eq!(
        written(
            &request("7"),
            &Encoder::of(&Full::new(Bytes::from_static(b"abc")))
        ),
        "POST /a?b HTTP/1.1\r\nhost: web\r\ncontent-length: 3\r\n\r\n"
    );
    assert_eq!(
        written(&request("7"), &Encoder::Chunked),
        "POST /a?b HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n"
    );
}
