//! The envelope around a signed statement: DSSE v1.0 (<https://github.com/secure-systems-lab/dsse>).

use super::STATEMENT_LENGTH_MAX;
use crate::TRUSTED_KEYS_MAX;
use crate::signature::{KeyId, SIGNATURE_LENGTH};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The only payload that is known here.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The longest encoded envelope, in bytes: a statement in base64, and eight signatures.
pub const ENVELOPE_LENGTH_MAX: usize = STATEMENT_LENGTH_MAX / 3 * 4 + 4 + 4096;

/// A payload and signatures over it that nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(crate) payload: Vec<u8>,
    pub(crate) signatures: Vec<(KeyId, [u8; SIGNATURE_LENGTH])>,
}

/// Why bytes are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnvelope {
    /// More bytes than one may have.
    #[error("an envelope has at most {ENVELOPE_LENGTH_MAX} bytes")]
    TooLong,
    /// Not the JSON of an envelope.
    #[error("these bytes are no envelope: {0}")]
    Form(String),
    /// What is in it is not for us.
    #[error("payloads of the type {0:?} are not known here")]
    PayloadType(String),
    /// Nobody signed, or too many did.
    #[error("an envelope has 1 to {TRUSTED_KEYS_MAX} signatures, not {0}")]
    Signatures(usize),
    /// A key id, signature or payload that is none.
    #[error("the {0} in the envelope is refused")]
    Text(&'static str),
    /// The same could be written in another way.
    #[error("the envelope is not in its canonical form")]
    NotCanonical,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureForm>,
}

#[derive(Serialize, Deserialize)]
struct SignatureForm {
    keyid: String,
    sig: String,
}

/// The bytes that are signed: DSSE's pre-authentication encoding.
pub(crate) fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    encode_for_signing(PAYLOAD_TYPE, payload)
}

fn encode_for_signing(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Reads an envelope in the one form in which it is written here; checks no signature.
    ///
    /// # Errors
    /// See [`InvalidEnvelope`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidEnvelope> {
        if bytes.len() > ENVELOPE_LENGTH_MAX {
            return Err(InvalidEnvelope::TooLong);
        }
        let form: Form =
            serde_json::from_slice(bytes).map_err(|error| InvalidEnvelope::Form(error.to_string()))?;
        if form.payload_type != PAYLOAD_TYPE {
            let shown = form.payload_type.chars().take(100).collect();
            return Err(InvalidEnvelope::PayloadType(shown));
        }
        if !(1..=TRUSTED_KEYS_MAX).contains(&form.signatures.len()) {
            return Err(InvalidEnvelope::Signatures(form.signatures.len()));
        }
        let payload = STANDARD
            .decode(&form.payload)
            .map_err(|_| InvalidEnvelope::Text("payload"))?;
        let signatures = form.signatures.iter().map(|signature| {
            let mut key = [0; 8];
            hex::decode_to_slice(&signature.keyid, &mut key).map_err(|_| InvalidEnvelope::Text("key id"))?;
            let bytes = STANDARD.decode(&signature.sig).ok();
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            Ok((KeyId(key), bytes.ok_or(InvalidEnvelope::Text("signature"))?))
        });
        let envelope = Self {
            signatures: signatures.collect::<Result<_, _>>()?,
            payload,
        };
        if envelope.encode() == bytes {
            Ok(envelope)
        } else {
            Err(InvalidEnvelope::NotCanonical)
        }
    }

    /// The envelope's JSON.
    pub fn encode(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|(key, signature)| SignatureForm {
            keyid: key.to_string(),
            sig: STANDARD.encode(signature),
        });
        let form = Form {
            payload: STANDARD.encode(&self.payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: signatures.collect(),
        };
        // Proof: it is made of texts only, and a vector takes any of them.
        serde_json::to_vec(&form).expect("an envelope is written to memory")
    }

    /// The keys that are said to have signed.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.signatures.iter().map(|(key, _)| *key)
    }

    /// The statement's JSON, whoever signed it.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_written_as_the_specification_shows_it() {
        // The test vector of DSSE's protocol.md.
        let encoded = encode_for_signing("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
