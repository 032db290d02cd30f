//! The handshake of the bulk plane: rustls's, after which its keys are used by us ([`super::records`]).

use super::channel::{Reader, Writer};
use super::records::{Opener, Sealer};
use super::tls::{Failed, Tls, nobody};
use crate::PeerId;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{CommonState, ExtractedSecrets};
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What of a handshake may wait until more of it comes, in bytes; certificates take a few KiB.
const COME_MAX: usize = 32 << 10;
/// Room for a message of the handshake, at first.
const MESSAGE_LENGTH: usize = 4 << 10;

/// A connection whose far end is certified.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) peer: PeerId,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

/// Makes the handshake as the side that has connected.
pub(crate) async fn connect(tls: &Tls, stream: TcpStream) -> Result<Secured, Failed> {
    let connection = UnbufferedClientConnection::new(Arc::clone(&tls.client), nobody())?;
    shake(tls, connection, stream).await
}

/// Makes the handshake as the side that was connected to.
pub(crate) async fn accept(tls: &Tls, stream: TcpStream) -> Result<Secured, Failed> {
    let connection = UnbufferedServerConnection::new(Arc::clone(&tls.server))?;
    shake(tls, connection, stream).await
}

/// Either side of a handshake.
trait Side: Deref<Target: Deref<Target = CommonState>> {
    /// Whether the far end has nothing to say before it is asked.
    const SPEAKS_FIRST: bool;
    type Data;
    fn process<'c, 'i>(&'c mut self, come: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn secrets(self) -> Result<ExtractedSecrets, rustls::Error>;
}

impl Side for UnbufferedClientConnection {
    const SPEAKS_FIRST: bool = true;
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, come: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(come)
    }

    fn secrets(self) -> Result<ExtractedSecrets, rustls::Error> {
        // What else this gives renews keys and takes tickets; here are neither.
        Ok(self.dangerous_into_kernel_connection()?.0)
    }
}

impl Side for UnbufferedServerConnection {
    const SPEAKS_FIRST: bool = false;
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, come: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(come)
    }

    fn secrets(self) -> Result<ExtractedSecrets, rustls::Error> {
        Ok(self.dangerous_into_kernel_connection()?.0)
    }
}

/// What a handshake needs next.
enum Step {
    Again,
    Send,
    Read,
    Done,
    Fail(rustls::Error),
}

/// What has come and is to be sent in a handshake.
#[derive(Default)]
struct Messages {
    come: Vec<u8>,
    out: Vec<u8>,
    /// What came behind the handshake, decrypted with its last message.
    early: Vec<u8>,
}

async fn shake<S: Side>(tls: &Tls, mut side: S, mut stream: TcpStream) -> Result<Secured, Failed> {
    let mut messages = Messages::default();
    let mut failure = None;
    loop {
        match messages.step(&mut side)? {
            Step::Again => {}
            Step::Send => {
                stream.write_all(&messages.out).await?;
                messages.out.clear();
            }
            // Told to the far end first.
            Step::Fail(error) if failure.is_none() => {
                messages.come.clear();
                failure = Some(error);
            }
            Step::Read if failure.is_none() => {
                messages.come.reserve(MESSAGE_LENGTH);
                let room = COME_MAX.saturating_sub(messages.come.len()) as u64;
                if (&mut stream).take(room).read_buf(&mut messages.come).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
            Step::Done if failure.is_none() => break,
            Step::Read | Step::Done | Step::Fail(_) => {
                let error = failure.unwrap_or(rustls::Error::HandshakeNotComplete);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error).into());
            }
        }
    }
    if S::SPEAKS_FIRST && !(messages.early.is_empty() && messages.come.is_empty()) {
        return Err(Failed::Protocol);
    }
    let peer = tls.far_end(&side)?;
    let secrets = side.secrets()?;
    let (reader, writer) = stream.into_split();
    let opener = Opener::new(secrets.rx).map_err(io::Error::from)?;
    let sealer = Sealer::new(secrets.tx).map_err(io::Error::from)?;
    Ok(Secured {
        peer,
        reader: Reader::new(reader, opener, messages.early, &messages.come),
        writer: Writer::new(writer, sealer),
    })
}

impl Messages {
    fn step(&mut self, side: &mut impl Side) -> Result<Step, Failed> {
        let UnbufferedStatus {
            mut discard, state, ..
        } = side.process(&mut self.come);
        let step = match state {
            Ok(ConnectionState::EncodeTlsData(message)) => {
                encode(message, &mut self.out);
                Step::Again
            }
            Ok(ConnectionState::TransmitTlsData(sent)) => {
                sent.done();
                Step::Send
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    self.early.extend_from_slice(record.payload);
                }
                Step::Again
            }
            Ok(ConnectionState::BlockedHandshake) => Step::Read,
            Ok(ConnectionState::WriteTraffic(_)) => Step::Done,
            Ok(_) => Step::Fail(rustls::Error::HandshakeNotComplete),
            Err(error) => Step::Fail(error),
        };
        self.come.drain(..discard);
        Ok(step)
    }
}

fn encode<Data>(mut message: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut room = MESSAGE_LENGTH;
    loop {
        out.resize(start + room, 0);
        match message.encode(&mut out[start..]) {
            Ok(length) => return out.truncate(start + length),
            Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => return out.truncate(start),
        }
    }
}
