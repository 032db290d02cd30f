//! What a node's key says: its public half and its signatures, as they travel to whoever enrols nodes.

use crate::{Error, Identity, PeerId};
use libp2p::identity::{PublicKey, ed25519};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::Arc;

/// The public half of a node's ed25519 key: 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeKey([u8; 32]);

/// An ed25519 signature: 64 bytes, written as 128 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

/// A text that is no public key or signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 hexadecimal digits, and a signature is 128")]
pub struct InvalidKeyText;

impl NodeKey {
    /// The name of whoever holds the secret half.
    ///
    /// # Errors
    ///
    /// If the bytes are no point on the curve.
    pub fn peer(&self) -> Result<PeerId, InvalidKeyText> {
        Ok(PeerId(self.public()?.to_peer_id()))
    }

    /// Whether whoever holds the secret half signed this text.
    pub(crate) fn verify(&self, text: &[u8], signature: &Signature) -> bool {
        self.public().is_ok_and(|key| key.verify(text, &signature.0))
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn public(&self) -> Result<PublicKey, InvalidKeyText> {
        let key = ed25519::PublicKey::try_from_bytes(&self.0).map_err(|_| InvalidKeyText)?;
        Ok(key.into())
    }
}

impl Identity {
    /// The key's public half.
    pub(crate) fn node_key(&self) -> Result<NodeKey, Error> {
        let key = self.0.public().try_into_ed25519().map_err(unusable)?;
        Ok(NodeKey(key.to_bytes()))
    }

    /// Signs a text, which must begin with a domain of its own.
    pub(crate) fn sign(&self, text: &[u8]) -> Result<Signature, Error> {
        let bytes = self.0.sign(text).map_err(unusable)?;
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| unusable("its signature is long"))?;
        Ok(Signature(bytes))
    }
}

/// No ed25519 key, and a node has no other, is ever unusable.
fn unusable(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Io {
        doing: "use this node's key".to_owned(),
        source: Arc::new(io::Error::other(reason)),
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NodeKey({})", hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signature(…)")
    }
}

impl TryFrom<String> for NodeKey {
    type Error = InvalidKeyText;

    fn try_from(text: String) -> Result<Self, InvalidKeyText> {
        bytes_of(&text).map(Self)
    }
}

impl From<NodeKey> for String {
    fn from(key: NodeKey) -> Self {
        hex::encode(key.0)
    }
}

impl TryFrom<String> for Signature {
    type Error = InvalidKeyText;

    fn try_from(text: String) -> Result<Self, InvalidKeyText> {
        bytes_of(&text).map(Self)
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        hex::encode(signature.0)
    }
}

fn bytes_of<const N: usize>(text: &str) -> Result<[u8; N], InvalidKeyText> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidKeyText)?;
    Ok(bytes)
}
