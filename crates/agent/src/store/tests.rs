//! A store that answers as it likes.

use super::*;
use model::ArtifactId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a store that answers one request with these bytes is read as.
async fn read(answer: &str, range: Range<u64>) -> (io::Result<Bytes>, String) {
    // An earlier test of this process may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!(
        "http://{}/bucket/content/a?signature=secret",
        listener.local_addr().unwrap()
    );
    let answer = answer.to_owned();
    let store = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    let pieces = StorePieces::new(client().unwrap(), &offer(&address, 60)).unwrap();
    let read = pieces.read(0, range).await;
    (read, store.await.unwrap())
}

fn offer(address: &str, valid_for_seconds: u32) -> StoreOffer {
    StoreOffer {
        artifact: ArtifactId([1; 32]),
        address: address.to_owned().into(),
        valid_for_seconds,
        slots: 0,
    }
}

fn partial(range: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {range}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_range_is_asked_for_and_taken() {
    let (read, request) = read(&partial("3-6/10", "abcd"), 3..7).await;
    assert_eq!(&read.unwrap()[..], b"abcd");
    assert!(
        request.to_lowercase().contains("range: bytes=3-6\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn another_range_or_the_whole_object_or_another_length_is_refused() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nabcd".to_owned();
    let endless =
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 3-6/10\r\nconnection: close\r\n\r\nabcde";
    for answer in [
        whole,
        partial("4-7/10", "abcd"),
        partial("3-6/10", "abcde"),
        partial("3-6/10", "abc"),
        endless.to_owned(),
        endless.replace("abcde", "abc"),
    ] {
        assert!(read(&answer, 3..7).await.0.is_err(), "{answer}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_from_a_failure_and_no_error_names_the_address() {
    let denied = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let error = read(denied, 3..7).await.0.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let moved = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for answer in [moved, "nonsense\r\n\r\n", ""] {
        let error = read(answer, 3..7).await.0.unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::PermissionDenied);
        let told = crate::reason::reason(&error);
        assert!(
            !told.contains("secret") && !format!("{error:?}").contains("secret"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn an_address_that_expired_is_not_asked_and_one_that_is_too_long_never() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let expired = StorePieces::new(client().unwrap(), &offer("http://127.0.0.1:1/", 0)).unwrap();
    let error = expired.read(0, 0..1).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let long = "a".repeat(STORE_ADDRESS_LENGTH_MAX + 1);
    assert!(StorePieces::new(client().unwrap(), &offer(&long, 60)).is_none());
}
