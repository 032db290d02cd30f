//! Listening sockets on their way from one proxy to the next.
//!
//! A socket that is passed over a unix socket (`SCM_RIGHTS`, unix(7)) is the same socket in both processes, with one
//! accept queue: connections that wait in it are taken by whoever accepts next, so none is lost. With `SO_REUSEPORT`
//! instead, each process has a queue of its own, and what waits in the old one's is reset when it closes.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The byte that a socket travels with: the kernel carries none without any.
const CARRIER: u8 = b'L';

/// Sends one listening socket; the sender keeps its own.
///
/// # Errors
/// If the connection is broken.
pub async fn send(stream: &UnixStream, listener: &TcpListener) -> io::Result<()> {
    let sent = || {
        let sockets = [listener.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&sockets));
        Ok(sendmsg(
            stream,
            &[IoSlice::new(&[CARRIER])],
            &mut ancillary,
            SendFlags::empty(),
        )?)
    };
    stream.async_io(Interest::WRITABLE, sent).await?;
    Ok(())
}

/// Receives one listening socket.
///
/// # Errors
/// If the connection is broken, or something else comes.
pub async fn receive(stream: &UnixStream) -> io::Result<TcpListener> {
    let received = || {
        let mut carrier = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let message = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut carrier)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let socket = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
            _ => None,
        });
        match socket {
            Some(socket) if message.bytes == 1 && carrier[0] == CARRIER => Ok(TcpListener::from(socket)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "no listening socket came where one was due",
            )),
        }
    };
    stream.async_io(Interest::READABLE, received).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    #[tokio::test]
    async fn a_connection_that_waits_in_the_queue_is_accepted_by_the_next_owner() {
        let (one, other) = UnixStream::pair().unwrap();
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(first.local_addr().unwrap()).unwrap();
        client.write_all(b"hello").unwrap();
        send(&one, &first).await.unwrap();
        drop(first);

        let second = receive(&other).await.unwrap();
        let (mut accepted, _) = second.accept().unwrap();
        let mut word = [0; 5];
        accepted.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"hello");
    }

    #[tokio::test]
    async fn a_byte_without_a_socket_is_refused() {
        let (one, other) = UnixStream::pair().unwrap();
        one.writable().await.unwrap();
        one.try_write(&[CARRIER]).unwrap();
        assert_eq!(
            receive(&other).await.unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        drop(one);
        assert!(receive(&other).await.is_err());
    }
}
