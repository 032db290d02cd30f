//! Length-prefixed frames with a limit.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Reads a big-endian length.
///
/// # Errors
///
/// If the length is above `max`, which a reader must know before it takes memory.
pub(crate) async fn read_length<T: AsyncRead + Unpin>(io: &mut T, max: usize) -> io::Result<usize> {
    let mut header = [0; 4];
    io.read_exact(&mut header).await?;
    let length = u32::from_be_bytes(header) as usize;
    if length > max {
        let reason = format!("a frame of {length} bytes is announced where at most {max} may come");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(length)
}

/// The most memory that is taken ahead of the bytes that fill it.
const AHEAD: usize = 64 << 10;

/// Reads exactly `length` bytes. Memory grows with what has come, not with what was announced.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] if no byte comes for as long as `stall`.
pub(crate) async fn read_body<T>(io: &mut T, length: usize, stall: Duration) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin,
{
    let mut body = Vec::new();
    while body.len() < length {
        let start = body.len();
        if start == body.capacity() {
            // Twice what has come, but never more than was announced.
            body.reserve_exact(start.max(AHEAD).min(length - start));
        }
        body.resize(body.capacity().min(start + AHEAD).min(length), 0);
        let read = timeout(stall, io.read(&mut body[start..])).await??;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        body.truncate(start + read);
    }
    Ok(body)
}

/// Writes a length.
///
/// # Errors
///
/// If it does not fit 32 bits.
pub(crate) async fn write_length<T: AsyncWrite + Unpin>(io: &mut T, length: usize) -> io::Result<()> {
    let length = u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    io.write_all(&length.to_be_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STALL: Duration = Duration::from_secs(60);

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_its_length_alone() {
        let error = block_on(read_length(&mut &5_u32.to_be_bytes()[..], 4)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_frame_that_ends_early_is_refused() {
        let error = block_on(read_body(&mut &b"abc"[..], 1 << 30, STALL)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body: Vec<u8>) {
            let mut wire = Vec::new();
            block_on(async {
                write_length(&mut wire, body.len()).await.unwrap();
                wire.write_all(&body).await.unwrap();
                let mut wire = &wire[..];
                let length = read_length(&mut wire, body.len()).await.unwrap();
                prop_assert_eq!(read_body(&mut wire, length, STALL).await.unwrap(), body);
                prop_assert!(wire.is_empty());
                Ok(())
            })?;
        }
    }
}
