//! Lines of JSON on a unix socket.
//!
//! Lines are read byte by byte as far as the kernel is concerned never past their end: file descriptors travel with
//! single bytes behind a line ([`crate::handover`]), and a reader that took more than its line would lose them.

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

/// The longest line, in bytes: room for a few hundred services.
pub const LINE_LENGTH_MAX: usize = 1 << 20;
/// How much is looked at together.
const CHUNK: usize = 4096;

/// Writes one line.
///
/// # Errors
/// If the connection is broken or the line would be too long to be read.
pub async fn write<T: Serialize>(stream: &mut UnixStream, value: &T) -> Result<(), Error> {
    let mut line = serde_json::to_vec(value)?;
    if line.len() >= LINE_LENGTH_MAX {
        return Err(Error::LineLength { max: LINE_LENGTH_MAX });
    }
    line.push(b'\n');
    Ok(stream.write_all(&line).await?)
}

/// Reads one line, and not a byte more; `None` when the other side has closed the connection between two lines.
///
/// # Errors
/// If the connection is broken, or the line is too long or not what was expected.
pub async fn read<T: DeserializeOwned>(stream: &mut UnixStream) -> Result<Option<T>, Error> {
    let mut line = Vec::new();
    loop {
        let mut chunk = [0; CHUNK];
        let seen = peek(stream, &mut chunk).await?;
        let end = chunk[..seen].iter().position(|&byte| byte == b'\n');
        let wanted = end.map_or(seen, |at| at + 1);
        let taken = take(stream, &mut chunk[..wanted]).await?;
        if taken == 0 {
            return if line.is_empty() {
                Ok(None)
            } else {
                Err(Error::Closed)
            };
        }
        line.extend_from_slice(&chunk[..taken]);
        if line.len() > LINE_LENGTH_MAX {
            return Err(Error::LineLength { max: LINE_LENGTH_MAX });
        }
        if line.last() == Some(&b'\n') {
            return Ok(Some(serde_json::from_slice(&line)?));
        }
    }
}

/// Looks at what has come without taking it; 0 at the end.
async fn peek(stream: &UnixStream, chunk: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    let look = || Ok(recv(stream, &mut *chunk, RecvFlags::PEEK)?.0);
    let mut look = look;
    stream.async_io(Interest::READABLE, &mut look).await
}

async fn take(stream: &mut UnixStream, chunk: &mut [u8]) -> io::Result<usize> {
    use tokio::io::AsyncReadExt as _;
    if chunk.is_empty() {
        return Ok(0);
    }
    stream.read(chunk).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_takes_its_line_and_leaves_what_is_behind_it() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"\"first\"\n\"second\"\nx").await.unwrap();
        assert_eq!(read::<String>(&mut other).await.unwrap().unwrap(), "first");
        assert_eq!(read::<String>(&mut other).await.unwrap().unwrap(), "second");
        let mut rest = [0; 8];
        assert_eq!(take(&mut other, &mut rest).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_line_of_several_chunks_is_put_together_and_the_end_is_told_from_a_break() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let long = "x".repeat(3 * CHUNK);
        write(&mut one, &long).await.unwrap();
        one.write_all(b"\"half").await.unwrap();
        drop(one);
        assert_eq!(read::<String>(&mut other).await.unwrap().unwrap(), long);
        assert!(matches!(read::<String>(&mut other).await, Err(Error::Closed)));
        assert!(read::<String>(&mut other).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_endless_line_is_not_read_to_its_end() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let endless = tokio::spawn(async move { while one.write_all(&[b'x'; CHUNK]).await.is_ok() {} });
        let read = read::<String>(&mut other).await;
        assert!(matches!(read, Err(Error::LineLength { .. })), "{read:?}");
        drop(other);
        endless.await.unwrap();
    }
}
