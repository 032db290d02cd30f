//! `/starling/hello/1`: who speaks.
//!
//! The dialler says hello first. A listener that accepts it answers with an empty welcome and says
//! hello in its turn. Hellos are repeated while a connection is wanted: they are its heartbeat.

use crate::certificate::CERTIFICATE_LENGTH_MAX;
use crate::{Certificate, InvalidCertificate};
use serde::{Deserialize, Serialize};

/// The longest hello, in bytes.
pub(crate) const HELLO_LENGTH_MAX: usize = CERTIFICATE_LENGTH_MAX + 16;

/// A hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Drawn when the node's process starts. Another number from the same peer means that it was
    /// restarted, and that what was said to it before is forgotten.
    pub(crate) process: u64,
    /// What the authority says of the speaker.
    pub(crate) certificate: Certificate,
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
