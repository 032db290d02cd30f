//! Who built an artifact: Ed25519 signatures over its name.

use crate::manifest::{InvalidManifest, Manifest};
use crate::{MANIFEST_LENGTH_MAX, TRUSTED_KEYS_MAX};
use ed25519_dalek::Signer;
use model::ArtifactId;
use std::fmt;
use std::sync::Arc;

/// Keeps a signature over an artifact from meaning anything anywhere else.
const DOMAIN: &[u8] = b"starling artifact signature v1\0";
const MAGIC: &[u8] = b"starling-signed-manifest\x01";
const KEY_ID_LENGTH: usize = 8;
const SIGNATURE_LENGTH: usize = 64;

/// Which key signed: the first 8 bytes of the public key's BLAKE3 hash. Finds a key, proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; KEY_ID_LENGTH]);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

/// A text or number that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not 64 hexadecimal digits.
    #[error("a key is written as 64 hexadecimal digits")]
    Digits,
    /// No point of the curve, or one that verifies what nobody signed.
    #[error("this is no Ed25519 public key")]
    Point,
    /// Nobody would be trusted, or too many.
    #[error("1 to {TRUSTED_KEYS_MAX} different keys are trusted, not {0}")]
    Count(usize),
}

fn key_bytes(text: &str) -> Result<[u8; 32], InvalidKey> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| InvalidKey::Digits)?;
    Ok(bytes)
}

/// Checks signatures. Written as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// The short form that a signature carries.
    pub fn id(&self) -> KeyId {
        let hash = blake3::hash(self.0.as_bytes());
        let mut id = [0; KEY_ID_LENGTH];
        id.copy_from_slice(&hash.as_bytes()[..KEY_ID_LENGTH]);
        KeyId(id)
    }
}

impl std::str::FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(&key_bytes(text)?).map_err(|_| InvalidKey::Point)?;
        if key.is_weak() {
            Err(InvalidKey::Point)
        } else {
            Ok(Self(key))
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({self})")
    }
}

/// Signs manifests. Its debug form shows only the public half.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a key from 32 bytes of a cryptographic random source.
    pub fn generate(random: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&random))
    }

    /// Reads a secret key.
    ///
    /// # Errors
    /// Refuses what is not 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        key_bytes(text).map(Self::generate)
    }

    /// The secret key as text. Whoever reads it can sign.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.as_bytes())
    }

    /// The half that verifies.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a manifest, which says: the holder of this key built this artifact.
    pub fn sign(&self, manifest: &Manifest) -> SignedManifest {
        SignedManifest {
            key: self.public().id(),
            signature: self.0.sign(&message(&manifest.id())).to_bytes(),
            manifest: manifest.encode().into(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public())
    }
}

/// What is signed. The name is a collision-resistant hash of the whole manifest, so signing it signs
/// every byte.
fn message(artifact: &ArtifactId) -> Vec<u8> {
    [DOMAIN, &artifact.0].concat()
}

/// Why bytes are no signed manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSignedManifest {
    /// More bytes than one may have.
    #[error("the signed manifest is too long")]
    TooLong,
    /// It does not begin like one, or ends early.
    #[error("these bytes are no signed manifest")]
    Magic,
}

/// A manifest with a signature that nobody has checked yet. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    key: KeyId,
    signature: [u8; SIGNATURE_LENGTH],
    manifest: Arc<[u8]>,
}

impl SignedManifest {
    /// The longest encoding, in bytes.
    pub const LENGTH_MAX: usize = MAGIC.len() + KEY_ID_LENGTH + SIGNATURE_LENGTH + MANIFEST_LENGTH_MAX;

    /// Which key is said to have signed.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The name of the artifact whose manifest this holds, whoever signed it.
    pub fn artifact(&self) -> ArtifactId {
        ArtifactId(*blake3::hash(&self.manifest).as_bytes())
    }

    /// Reads the manifest without asking who signed it: enough to compare stored bytes with, never to
    /// place or run any.
    ///
    /// # Errors
    /// Refuses what is no manifest.
    pub fn unverified(&self) -> Result<Manifest, InvalidManifest> {
        Manifest::decode(&self.manifest)
    }

    /// The one encoding of this signed manifest.
    pub fn encode(&self) -> Vec<u8> {
        [MAGIC, &self.key.0, &self.signature, &self.manifest].concat()
    }

    /// Splits bytes into key, signature and manifest; checks none of them.
    ///
    /// # Errors
    /// Refuses what is too long, too short or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidSignedManifest> {
        if bytes.len() > Self::LENGTH_MAX {
            return Err(InvalidSignedManifest::TooLong);
        }
        let parts = bytes.strip_prefix(MAGIC).and_then(|rest| {
            let (key, rest) = rest.split_first_chunk()?;
            let (signature, manifest) = rest.split_first_chunk()?;
            Some((*key, *signature, manifest))
        });
        let (key, signature, manifest) = parts.ok_or(InvalidSignedManifest::Magic)?;
        Ok(Self {
            key: KeyId(key),
            signature,
            manifest: manifest.into(),
        })
    }
}

/// Why a signed manifest is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTrusted {
    /// Signed by a key that isn't trusted here.
    #[error("the manifest is signed by key {0}, which is not trusted here")]
    UnknownKey(KeyId),
    /// The key did not make this signature for this manifest.
    #[error("the signature by key {0} does not fit the manifest")]
    Signature(KeyId),
    /// Signed, but not a manifest that this version accepts.
    #[error("the signed manifest is refused")]
    Manifest(#[from] InvalidManifest),
}

/// The keys whose signatures count.
#[derive(Debug, Clone)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Trusts these keys.
    ///
    /// # Errors
    /// Refuses none at all, and more than [`TRUSTED_KEYS_MAX`].
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, InvalidKey> {
        let mut trusted = Vec::new();
        for key in keys {
            if trusted.len() > TRUSTED_KEYS_MAX {
                break;
            }
            if !trusted.contains(&key) {
                trusted.push(key);
            }
        }
        if (1..=TRUSTED_KEYS_MAX).contains(&trusted.len()) {
            Ok(Self(trusted))
        } else {
            Err(InvalidKey::Count(trusted.len()))
        }
    }

    /// Checks the signature, then reads the manifest. Nothing of it is parsed before.
    ///
    /// # Errors
    /// See [`NotTrusted`].
    pub fn verify(&self, signed: &SignedManifest) -> Result<VerifiedManifest, NotTrusted> {
        let mut candidates = self.0.iter().filter(|key| key.id() == signed.key).peekable();
        if candidates.peek().is_none() {
            return Err(NotTrusted::UnknownKey(signed.key));
        }
        let message = message(&signed.artifact());
        let signature = ed25519_dalek::Signature::from_bytes(&signed.signature);
        if !candidates.any(|key| key.0.verify_strict(&message, &signature).is_ok()) {
            return Err(NotTrusted::Signature(signed.key));
        }
        Ok(VerifiedManifest(Arc::new(Manifest::decode(&signed.manifest)?)))
    }
}

/// A manifest whose signature was checked; only [`TrustedKeys::verify`] makes one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedManifest(Arc<Manifest>);

impl std::ops::Deref for VerifiedManifest {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.0
    }
}
