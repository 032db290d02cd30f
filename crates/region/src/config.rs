//! What a manager is told when it starts.

use artifact::TrustedKeys;
use model::{HostName, RegionName};
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// How a manager takes part in its region.
#[derive(Debug)]
pub struct Config {
    /// The region that it manages.
    pub region: RegionName,
    /// Its own name, the one in its certificate; unique among the region's managers.
    pub candidate: HostName,
    /// The API that takes its reports, such as `https://starling.example`.
    pub api: String,
    /// The region's token for that API.
    pub token: SecretString,
    /// Whose signatures under a manifest count.
    pub trusted_keys: TrustedKeys,
    /// Where it keeps whom the API said to be revoked.
    pub revoked_file: PathBuf,
    /// How often etcd and the store are asked without a hint.
    pub period: Duration,
}

/// Why a manager could not start or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The HTTP client could not be made.
    #[error("failed to prepare for the API")]
    Client(#[source] reqwest::Error),
}
