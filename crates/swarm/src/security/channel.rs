//! A secured connection of the bulk plane, in two halves that each move whole records.

use super::records::{Broken, HEADER_LENGTH, OVERHEAD, Opened, Opener, PLAIN_MAX, SEALED_MAX, Sealer};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What is read from the socket at once, in bytes.
const READ_LENGTH: usize = 256 << 10;

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(io::ErrorKind::InvalidData, broken)
    }
}

/// The half that brings something.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: OwnedReadHalf,
    opener: Opener,
    /// What the socket gave and was not decrypted yet is `come[from..to]`.
    come: Box<[u8]>,
    from: usize,
    to: usize,
    /// What was decrypted here and not taken yet is behind the first `taken` bytes.
    plain: Vec<u8>,
    taken: usize,
}

impl Reader {
    /// After a handshake in which more came than belongs to it: `early` was decrypted already, `come` was not.
    pub(super) fn new(stream: OwnedReadHalf, opener: Opener, early: Vec<u8>, come: &[u8]) -> Self {
        let mut buffer = vec![0; READ_LENGTH.max(come.len()) + HEADER_LENGTH + SEALED_MAX];
        buffer[..come.len()].copy_from_slice(come);
        Self {
            stream,
            opener,
            come: buffer.into(),
            from: 0,
            to: come.len(),
            plain: early,
            taken: 0,
        }
    }

    /// The room that the next record needs, if it has come whole.
    ///
    /// # Errors
    ///
    /// If what came is no record.
    pub(crate) fn next_room(&self) -> Result<Option<usize>, Broken> {
        let Some((header, rest)) = self.come[self.from..self.to].split_first_chunk() else {
            return Ok(None);
        };
        let length = Opener::sealed_length(*header)?;
        Ok((rest.len() >= length).then(|| Opener::room(length)))
    }

    /// Waits until a record has come whole; false if the far end has closed the connection before. Nothing is lost if
    /// it is dropped while it waits.
    pub(crate) async fn wait(&mut self) -> io::Result<bool> {
        while self.next_room()?.is_none() {
            // Less than a record, beside the room for many.
            self.come.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            let read = self.stream.read(&mut self.come[self.to..]).await?;
            if read == 0 {
                return Ok(false);
            }
            self.to += read;
        }
        Ok(true)
    }

    /// Decrypts the record that has come whole into a room that is as large as [`Self::next_room`] says; how many
    /// bytes, or `None` if the far end ends the connection.
    ///
    /// # Errors
    ///
    /// If the record isn't the far end's.
    pub(crate) fn open(&mut self, room: &mut [u8]) -> Result<Option<usize>, Broken> {
        let come = &self.come[self.from..self.to];
        let (header, rest) = come.split_first_chunk().ok_or(Broken::Malformed)?;
        let length = Opener::sealed_length(*header)?;
        let sealed = rest.get(..length).ok_or(Broken::Malformed)?;
        let opened = self.opener.open(sealed, room)?;
        self.from += HEADER_LENGTH + length;
        Ok(match opened {
            Opened::Data(length) => Some(length),
            Opened::End => None,
        })
    }

    /// The same into a room of its own, which holds the bytes until the next.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub(crate) fn open_here(&mut self) -> Result<Option<&[u8]>, Broken> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.resize(self.next_room()?.ok_or(Broken::Malformed)?, 0);
        let opened = self.open(&mut plain);
        self.plain = plain;
        self.taken = self.plain.len();
        Ok(opened?.map(|length| &self.plain[..length]))
    }

    /// The next so many bytes, whatever records they come in. Nothing is lost if it is dropped while it waits.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the connection ends before them.
    pub(crate) async fn read_array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        loop {
            if let Some(bytes) = self.plain[self.taken..].first_chunk() {
                self.taken += N;
                return Ok(*bytes);
            }
            if !self.wait().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut left = self.plain.split_off(self.taken);
            let more = self.open_here()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            left.extend_from_slice(more);
            self.plain = left;
            self.taken = 0;
        }
    }
}

/// The half that takes something.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: OwnedWriteHalf,
    sealer: Sealer,
    /// What was encrypted and not sent yet is `out[sent..end]`.
    out: Vec<u8>,
    sent: usize,
    end: usize,
}

impl Writer {
    pub(super) fn new(stream: OwnedWriteHalf, sealer: Sealer) -> Self {
        Self {
            stream,
            sealer,
            out: Vec::new(),
            sent: 0,
            end: 0,
        }
    }

    /// Encrypts bytes, in records of their own. They are sent by the next [`Self::flush`], and kept as long; the memory
    /// for that stays for those that follow.
    ///
    /// # Errors
    ///
    /// [`Broken::Exhausted`].
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        for part in bytes.chunks(PLAIN_MAX) {
            let record = self.end..self.end + part.len() + OVERHEAD;
            if self.out.len() < record.end {
                self.out.resize(record.end, 0);
            }
            self.sealer.seal(part, &mut self.out[record.clone()])?;
            self.end = record.end;
        }
        Ok(())
    }

    /// Sends what was encrypted. Nothing is lost or sent twice if it is dropped while it waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.end {
            let sent = self.stream.write(&self.out[self.sent..self.end]).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent += sent;
        }
        (self.sent, self.end) = (0, 0);
        Ok(())
    }
}
