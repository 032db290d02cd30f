//! `/starling/hello/2`: what a node says of itself, over a connection that is certified already.
//!
//! The dialler says hello first. A listener that accepts it answers with an empty welcome and says
//! hello in its turn. Hellos are repeated while a connection is wanted: they are its heartbeat, and how a
//! renewed certificate reaches those who are connected.

use crate::bulk::token::Key;
use crate::certificate::CERTIFICATE_LENGTH_MAX;
use crate::{Certificate, InvalidCertificate};
use serde::{Deserialize, Serialize};

/// The longest hello, in bytes: a certificate, two numbers of varying length, a key.
pub(crate) const HELLO_LENGTH_MAX: usize = CERTIFICATE_LENGTH_MAX + 10 + 3 + 32;

/// A hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Drawn when the node's process starts. Another number from the same peer means that it was
    /// restarted, and that what was said to it before is forgotten.
    pub(crate) process: u64,
    /// The newest thing that the authority says of the speaker.
    pub(crate) certificate: Certificate,
    /// Where the hearer may open bulk connections.
    pub(crate) bulk: Door,
}

/// A bulk port, and the key for whoever hears of it. The same for as long as a session lasts.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Door {
    /// On the address at which the control connection found the speaker.
    pub(crate) port: u16,
    pub(crate) key: Key,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "port {}", self.port)
    }
}

impl Hello {
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Writing numbers, texts and bytes to memory cannot fail.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, InvalidCertificate> {
        match postcard::take_from_bytes(bytes) {
            Ok((hello, [])) => Ok(hello),
            _ => Err(InvalidCertificate::Malformed),
        }
    }
}
