//! Where an artifact's content lies.

use model::{ArtifactId, BuildId, LeaseId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The last part of the key of a content object: in the main store of the form `<build>-<lease>`, so
/// that no two attempts ever write to one place; in a region's store the artifact's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentKey(String);

/// A text that is no content key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a content key has 1 to 128 letters, digits and '-'")]
pub struct InvalidContentKey;

impl ContentKey {
    /// The place of what one attempt of a build uploads.
    pub fn of_attempt(build: BuildId, lease: LeaseId) -> Self {
        Self(format!("{build}-{lease}"))
    }

    /// Whose upload this is the place of; none for a replica.
    pub fn attempt(&self) -> Option<(BuildId, LeaseId)> {
        let (build, lease) = self.0.rsplit_once('-')?;
        Some((build.parse().ok()?, LeaseId(lease.parse().ok()?)))
    }

    /// The place of a replica.
    pub fn of_replica(artifact: &ArtifactId) -> Self {
        Self(artifact.to_string())
    }

    /// The text that was checked.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole key of the object.
    pub(crate) fn object(&self) -> String {
        format!("{CONTENT_PREFIX}{}", self.0)
    }
}

/// What the keys of all content objects begin with.
pub(crate) const CONTENT_PREFIX: &str = "content/";

impl TryFrom<String> for ContentKey {
    type Error = InvalidContentKey;

    fn try_from(text: String) -> Result<Self, InvalidContentKey> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(plain);
        if fits {
            Ok(Self(text))
        } else {
            Err(InvalidContentKey)
        }
    }
}

impl std::str::FromStr for ContentKey {
    type Err = InvalidContentKey;

    fn from_str(text: &str) -> Result<Self, InvalidContentKey> {
        Self::try_from(text.to_owned())
    }
}

impl From<ContentKey> for String {
    fn from(key: ContentKey) -> Self {
        key.0
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempts_key_names_the_attempt_and_a_replicas_does_not() {
        let attempt = (
            "01900000-0000-7000-8000-000000000000".parse().unwrap(),
            LeaseId(17),
        );
        assert_eq!(
            ContentKey::of_attempt(attempt.0, attempt.1).attempt(),
            Some(attempt)
        );
        assert_eq!(ContentKey::of_replica(&ArtifactId([7; 32])).attempt(), None);
    }
}
