//! The name of a peer.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A node's name: the hash of its public key, in libp2p's usual text form. Every connection proves
/// that its far end holds the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerId(pub(crate) libp2p::PeerId);

impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerId({self})")
    }
}

impl std::str::FromStr for PeerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // A long text is cut: an error message is no place for a megabyte.
        let invalid = |_| Error::PeerId(text.chars().take(80).collect());
        text.parse().map(Self).map_err(invalid)
    }
}

impl TryFrom<String> for PeerId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PeerId> for String {
    fn from(peer: PeerId) -> String {
        peer.to_string()
    }
}
