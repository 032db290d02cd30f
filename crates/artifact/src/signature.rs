//! Who built an artifact: Ed25519 signatures over the statement of its provenance, which names it.

use crate::manifest::{InvalidManifest, Manifest};
use crate::statement::{
    BuildRun, ENVELOPE_LENGTH_MAX, Envelope, InvalidEnvelope, InvalidStatement, STATEMENT_LENGTH_MAX,
    Statement, pre_authentication_encoding,
};
use crate::{MANIFEST_LENGTH_MAX, TRUSTED_KEYS_MAX};
use ed25519_dalek::Signer;
use model::ArtifactId;
use std::fmt;
use std::sync::Arc;

const MAGIC: &[u8] = b"starling-signed-manifest\x02";
const KEY_ID_LENGTH: usize = 8;
pub(crate) const SIGNATURE_LENGTH: usize = 64;
/// Four bytes before the envelope tell its length.
const ENVELOPE_LENGTH_LENGTH: usize = 4;

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

    /// Signs a manifest, which says: the holder of this key built this artifact, in this way.
    ///
    /// # Errors
    /// Refuses more than a statement may hold.
    pub fn sign(&self, manifest: &Manifest, run: BuildRun) -> Result<SignedManifest, InvalidStatement> {
        let payload = Statement::new(manifest, run).encode();
        if payload.len() > STATEMENT_LENGTH_MAX {
            return Err(InvalidStatement::TooLong);
        }
        let signature = self.0.sign(&pre_authentication_encoding(&payload)).to_bytes();
        Ok(SignedManifest {
            envelope: Arc::new(Envelope {
                signatures: vec![(self.public().id(), signature)],
                payload,
            }),
            manifest: manifest.encode().into(),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public())
    }
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
    /// What holds the signature is damaged.
    #[error("the provenance beside the manifest is refused")]
    Envelope(#[from] InvalidEnvelope),
}

/// A manifest with a signed statement of its provenance that nobody has checked yet. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    envelope: Arc<Envelope>,
    manifest: Arc<[u8]>,
}

impl SignedManifest {
    /// The longest encoding, in bytes.
    pub const LENGTH_MAX: usize =
        MAGIC.len() + ENVELOPE_LENGTH_LENGTH + ENVELOPE_LENGTH_MAX + MANIFEST_LENGTH_MAX;

    /// The signed statement of where the artifact comes from.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Whether a signature says to be this key's; only [`TrustedKeys::verify`] says whether it is.
    pub fn names_key(&self, key: KeyId) -> bool {
        self.envelope.keys().any(|named| named == key)
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
        let envelope = self.envelope.encode();
        // Proof: an envelope is shorter than 2^32 bytes.
        let length = (envelope.len() as u32).to_be_bytes();
        [MAGIC, &length, &envelope, &self.manifest].concat()
    }

    /// Splits bytes into envelope and manifest; checks no signature.
    ///
    /// # Errors
    /// Refuses what is too long, too short or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidSignedManifest> {
        if bytes.len() > Self::LENGTH_MAX {
            return Err(InvalidSignedManifest::TooLong);
        }
        let parts = bytes.strip_prefix(MAGIC).and_then(|rest| {
            let (length, rest) = rest.split_first_chunk::<ENVELOPE_LENGTH_LENGTH>()?;
            rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        });
        let (envelope, manifest) = parts.ok_or(InvalidSignedManifest::Magic)?;
        Ok(Self {
            envelope: Arc::new(Envelope::decode(envelope)?),
            manifest: manifest.into(),
        })
    }
}

/// Why a signed manifest is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTrusted {
    /// Signed by a key that isn't trusted here.
    #[error("the statement is signed by key {0}, which is not trusted here")]
    UnknownKey(KeyId),
    /// The key did not make this signature for this statement.
    #[error("the signature by key {0} does not fit the statement")]
    Signature(KeyId),
    /// Signed, but not a statement that this version understands.
    #[error("the signed statement is refused")]
    Statement(#[from] InvalidStatement),
    /// A statement about another artifact, or one that says something else than the manifest.
    #[error("the statement is about artifact {}, and does not fit this manifest", .0.short())]
    OtherArtifact(ArtifactId),
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

    /// Checks a signature over a statement, then reads it. Nothing of it is parsed before. One signature by
    /// a trusted key is enough, so that keys can be changed one place after the other.
    ///
    /// # Errors
    /// See [`NotTrusted`].
    pub fn verify_statement(&self, envelope: &Envelope) -> Result<Statement, NotTrusted> {
        let message = pre_authentication_encoding(&envelope.payload);
        let mut refused = None;
        for (id, signature) in &envelope.signatures {
            let mut candidates = self.0.iter().filter(|key| key.id() == *id).peekable();
            if candidates.peek().is_none() {
                refused.get_or_insert(NotTrusted::UnknownKey(*id));
                continue;
            }
            let signature = ed25519_dalek::Signature::from_bytes(signature);
            if candidates.any(|key| key.0.verify_strict(&message, &signature).is_ok()) {
                return Ok(Statement::decode(&envelope.payload)?);
            }
            refused = Some(NotTrusted::Signature(*id));
        }
        // Proof: an envelope holds at least one signature.
        Err(refused.expect("a signature was looked at"))
    }

    /// Checks the statement, that it is about this manifest, and only then reads the manifest.
    ///
    /// # Errors
    /// See [`NotTrusted`].
    pub fn verify(&self, signed: &SignedManifest) -> Result<VerifiedManifest, NotTrusted> {
        let statement = self.verify_statement(&signed.envelope)?;
        let other = NotTrusted::OtherArtifact(statement.artifact());
        if statement.artifact() != signed.artifact() {
            return Err(other);
        }
        let manifest = Manifest::decode(&signed.manifest)?;
        if !statement.fits(&manifest) {
            return Err(other);
        }
        Ok(VerifiedManifest(Arc::new(manifest)))
    }
}

/// A manifest whose provenance was checked; only [`TrustedKeys::verify`] makes one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedManifest(Arc<Manifest>);

impl std::ops::Deref for VerifiedManifest {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.0
    }
}
