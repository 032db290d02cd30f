//! Who may join a region's swarm: certificates, and the authority that issues them.

use crate::identity::{load_or_create, write};
use crate::{Error, PeerId};
use jiff::Timestamp;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use model::node::Role;
use model::{HostName, RegionName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Begins every signed text, so that a signature made for another purpose is worth nothing here.
const DOMAIN: &[u8] = b"starling swarm certificate 1\0";
/// The longest encoded certificate, in bytes: two names of 63, a peer id of 52, a time, a signature.
pub(crate) const CERTIFICATE_LENGTH_MAX: usize = 512;

/// What an authority says of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The node's key, by its hash.
    pub peer: PeerId,
    /// The only region whose swarm it may join.
    pub region: RegionName,
    /// The name of the machine, host or manager.
    pub name: HostName,
    /// What it is there.
    pub role: Role,
    /// When it must have another certificate.
    pub not_after: Timestamp,
}

/// A statement and its signature. Not a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    statement: Statement,
    signature: Vec<u8>,
}

/// Why a certificate opens no door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// The peer said something else first, or nothing.
    #[error("none was shown")]
    Missing,
    /// The bytes or digits are no certificate.
    #[error("it is malformed")]
    Malformed,
    /// Somebody else signed it, or nobody.
    #[error("its signature is not of this region's authority")]
    Signature,
    /// It was issued to another key.
    #[error("it belongs to peer {0}")]
    Peer(PeerId),
    /// It opens the door of another region.
    #[error("it is for region {0}")]
    Region(RegionName),
    /// It is too old.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// The region has taken it back.
    #[error("peer {0} was revoked")]
    Revoked(PeerId),
}

impl Certificate {
    /// What is said, whether or not it is true; see [`Certificate::verify`].
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Checks everything: who signed, for which key, for which region, until when.
    ///
    /// # Errors
    ///
    /// The first of these that is wrong.
    pub fn verify(
        &self,
        authority: &AuthorityKey,
        region: &RegionName,
        peer: PeerId,
        now: Timestamp,
    ) -> Result<(), InvalidCertificate> {
        let signed = signed_text(&self.statement).ok_or(InvalidCertificate::Malformed)?;
        if !authority.0.verify(&signed, &self.signature) {
            return Err(InvalidCertificate::Signature);
        }
        if self.statement.peer != peer {
            return Err(InvalidCertificate::Peer(self.statement.peer));
        }
        if self.statement.region != *region {
            return Err(InvalidCertificate::Region(self.statement.region.clone()));
        }
        if now > self.statement.not_after {
            return Err(InvalidCertificate::Expired(self.statement.not_after));
        }
        Ok(())
    }

    /// Writes it to a file that its owner alone can read, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), Error> {
        write(path, &self.to_string()).map_err(|source| Error::Io {
            doing: "write the certificate file".to_owned(),
            source: Arc::new(source),
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.statement.fmt(formatter)
    }
}

/// The text form, for files and flags: hexadecimal digits.
impl fmt::Display for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = postcard::to_stdvec(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&hex::encode(bytes))
    }
}

impl std::str::FromStr for Certificate {
    type Err = InvalidCertificate;

    fn from_str(text: &str) -> Result<Self, InvalidCertificate> {
        let text = text.trim();
        if text.len() > 2 * CERTIFICATE_LENGTH_MAX {
            return Err(InvalidCertificate::Malformed);
        }
        let bytes = hex::decode(text).map_err(|_| InvalidCertificate::Malformed)?;
        postcard::from_bytes(&bytes).map_err(|_| InvalidCertificate::Malformed)
    }
}

/// A region's authority: its key says who may join. Kept where hosts are enrolled, never on a host.
pub struct Authority(Keypair);

impl Authority {
    /// Reads the authority's key from a file, or makes one and writes it there first.
    ///
    /// # Errors
    ///
    /// If the file holds something else, or cannot be read or written.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        load_or_create(path).map(Self)
    }

    /// Makes a new key and keeps it nowhere.
    pub fn generate() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// The public half, which every node of the region knows.
    pub fn key(&self) -> AuthorityKey {
        AuthorityKey(self.0.public())
    }

    /// Signs a statement.
    ///
    /// # Errors
    ///
    /// [`InvalidCertificate::Malformed`] if the key cannot sign, which no ed25519 key does.
    pub fn issue(&self, statement: Statement) -> Result<Certificate, InvalidCertificate> {
        let text = signed_text(&statement).ok_or(InvalidCertificate::Malformed)?;
        let signature = self.0.sign(&text).map_err(|_| InvalidCertificate::Malformed)?;
        Ok(Certificate { statement, signature })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Authority({})", self.key())
    }
}

/// An authority's public key; 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthorityKey(PublicKey);

impl fmt::Display for AuthorityKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.0.clone().try_into_ed25519().map_err(|_| fmt::Error)?;
        formatter.write_str(&hex::encode(key.to_bytes()))
    }
}

impl fmt::Debug for AuthorityKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AuthorityKey({self})")
    }
}

impl std::str::FromStr for AuthorityKey {
    type Err = InvalidCertificate;

    fn from_str(text: &str) -> Result<Self, InvalidCertificate> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| InvalidCertificate::Malformed)?;
        let key = ed25519::PublicKey::try_from_bytes(&bytes).map_err(|_| InvalidCertificate::Malformed)?;
        Ok(Self(key.into()))
    }
}

impl TryFrom<String> for AuthorityKey {
    type Error = InvalidCertificate;

    fn try_from(text: String) -> Result<Self, InvalidCertificate> {
        text.parse()
    }
}

impl From<AuthorityKey> for String {
    fn from(key: AuthorityKey) -> String {
        key.to_string()
    }
}

fn signed_text(statement: &Statement) -> Option<Vec<u8>> {
    let mut text = DOMAIN.to_vec();
    text.extend(postcard::to_stdvec(statement).ok()?);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn statement(peer: PeerId) -> Statement {
        Statement {
            peer,
            region: "r1".parse().unwrap(),
            name: "h".repeat(63).parse().unwrap(),
            role: Role::Host,
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_certificate_opens_one_region_to_one_key_for_a_time() {
        let (authority, other) = (Authority::generate(), Authority::generate());
        let peer = Identity::generate().peer();
        let stranger = Identity::generate().peer();
        let region: RegionName = "r1".parse().unwrap();
        let now: Timestamp = "2029-12-31T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2030-01-02T00:00:00Z".parse().unwrap();
        let certificate = authority.issue(statement(peer)).unwrap();
        let key = authority.key();

        assert_eq!(certificate.verify(&key, &region, peer, now), Ok(()));
        let refusals = [
            (
                certificate.verify(&other.key(), &region, peer, now),
                InvalidCertificate::Signature,
            ),
            (
                certificate.verify(&key, &region, stranger, now),
                InvalidCertificate::Peer(peer),
            ),
            (
                certificate.verify(&key, &"r2".parse().unwrap(), peer, now),
                InvalidCertificate::Region(region.clone()),
            ),
            (
                certificate.verify(&key, &region, peer, later),
                InvalidCertificate::Expired(statement(peer).not_after),
            ),
        ];
        for (refusal, reason) in refusals {
            assert_eq!(refusal, Err(reason));
        }
    }

    #[test]
    fn a_changed_statement_loses_its_signature() {
        let authority = Authority::generate();
        let peer = Identity::generate().peer();
        let mut certificate = authority.issue(statement(peer)).unwrap();
        certificate.statement.role = Role::Manager;
        let now = "2029-01-01T00:00:00Z".parse().unwrap();
        let result = certificate.verify(&authority.key(), &"r1".parse().unwrap(), peer, now);
        assert_eq!(result, Err(InvalidCertificate::Signature));
    }

    #[test]
    fn text_forms_lead_back_to_the_same_thing() {
        let authority = Authority::generate();
        let certificate = authority.issue(statement(Identity::generate().peer())).unwrap();
        assert_eq!(certificate.to_string().parse(), Ok(certificate.clone()));
        assert!(postcard::to_stdvec(&certificate).unwrap().len() <= CERTIFICATE_LENGTH_MAX);
        assert_eq!(authority.key().to_string().parse(), Ok(authority.key()));
        for bad in ["", "00", "zz", &"0".repeat(2 * CERTIFICATE_LENGTH_MAX + 2)] {
            assert!(bad.parse::<Certificate>().is_err(), "{bad}");
            assert!(bad.parse::<AuthorityKey>().is_err(), "{bad}");
        }
    }
}
