//! Which store, and as whom.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a store is and how to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's address, `http://…` or `https://…`; without it, AWS in the signing region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region that requests are signed for, such as `us-east-1`.
    pub signing_region: String,
    /// The bucket that is this store.
    pub bucket: String,
    /// The public half of the credentials.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: SecretAccessKey,
}

/// A secret that its debug form doesn't show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretAccessKey(String);

impl SecretAccessKey {
    /// The secret itself; for signing only, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretAccessKey {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for SecretAccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretAccessKey(…)")
    }
}
