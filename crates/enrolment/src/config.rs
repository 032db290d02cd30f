//! What enrolment is told when it starts.

use crate::api::Failure;
use model::node::Role;
use model::{HostName, RegionName};
use std::path::PathBuf;
use swarm::{AuthorityKey, Identity};

/// Who a node is, and where it gets its certificate.
#[derive(Debug)]
pub struct Config {
    /// The API, such as `https://starling.example`.
    pub api: String,
    /// The file in which an operator leaves a join token. It is deleted once it was used.
    pub join_token_file: PathBuf,
    /// Where the certificate is kept.
    pub certificate_file: PathBuf,
    /// The node's key.
    pub identity: Identity,
    /// Whose signature must be under the certificate.
    pub authority: AuthorityKey,
    /// The node's region.
    pub region: RegionName,
    /// What it is there.
    pub role: Role,
    /// Its name there.
    pub name: HostName,
}

impl Config {
    /// The command that makes a token for this node.
    pub(crate) fn token_command(&self) -> String {
        let role = self.role.as_str().to_lowercase();
        format!(
            "starling join-token create --region {} --role {role} --name {}",
            self.region, self.name
        )
    }
}

/// Why a node has no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The HTTP client could not be made.
    #[error("failed to prepare for the API")]
    Client(#[source] reqwest::Error),
    /// The file with the certificate could not be read or written.
    #[error("failed to use the certificate file {path:?}")]
    CertificateFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no token to get one with.
    #[error(
        "this node has no valid certificate, and {path:?} holds no join token: make one with `{command}`"
    )]
    NoToken {
        /// Where it should be.
        path: PathBuf,
        /// What an operator should run.
        command: String,
        /// Why the file is of no use.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API said no.
    #[error("this node was not enrolled")]
    Refused(#[source] Failure),
    /// The API's authority is not the one in this node's settings.
    #[error("the certificate that the API issued is of no use here; is `swarm.authority` the region's key?")]
    Useless(#[source] swarm::InvalidCertificate),
}
