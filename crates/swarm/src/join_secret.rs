//! The secret of a join token.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Begins a join token's secret, so that people and secret scanners know what they see.
const SECRET_PREFIX: &str = "starling-join-";

/// The secret of a join token: 32 random bytes, written as `starling-join-` and 64 hexadecimal digits.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JoinSecret([u8; 32]);

/// A text that is no join token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a join token is `starling-join-` and 64 hexadecimal digits")]
pub struct InvalidJoinSecret;

impl JoinSecret {
    /// Draws a new one from the system's randomness.
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// Its BLAKE3 hash, by which a token is found. 256 random bits cannot be guessed, so a fast hash is
    /// enough, and looking the hash up tells by its time nothing of the secret.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }

    /// The text to hand to an operator, once. There is no `Display`, so that none gets into a log.
    pub fn expose(&self) -> String {
        format!("{SECRET_PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JoinSecret(…)")
    }
}

impl std::str::FromStr for JoinSecret {
    type Err = InvalidJoinSecret;

    fn from_str(text: &str) -> Result<Self, InvalidJoinSecret> {
        let digits = text.trim().strip_prefix(SECRET_PREFIX).ok_or(InvalidJoinSecret)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidJoinSecret)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for JoinSecret {
    type Error = InvalidJoinSecret;

    fn try_from(text: String) -> Result<Self, InvalidJoinSecret> {
        text.parse()
    }
}

impl From<JoinSecret> for String {
    fn from(secret: JoinSecret) -> Self {
        secret.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_from_its_text_and_nothing_else_does() {
        let secret = JoinSecret::generate();
        let read: JoinSecret = format!("{}\n", secret.expose()).parse().unwrap();
        assert_eq!(read.hash(), secret.hash());
        for bad in ["", SECRET_PREFIX, "starling-join-zz", &"0".repeat(64)] {
            assert!(bad.parse::<JoinSecret>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_never_printed_by_accident() {
        assert_eq!(format!("{:?}", JoinSecret::generate()), "JoinSecret(…)");
    }
}
