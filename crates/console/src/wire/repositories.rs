//! Registered repositories.

use jiff::Timestamp;
use model::{Actor, RepositoryName, RepositoryUrl};
use serde::{Deserialize, Serialize};

/// `POST /v1/repositories`. Registering the same name again changes its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRepository {
    /// How builds will name it.
    pub name: RepositoryName,
    /// Where git fetches it from. Plain text here: whether it is allowed is the server's policy.
    pub url: String,
}

/// A registered repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// How builds name it.
    pub name: RepositoryName,
    /// Where git fetches it from.
    pub url: RepositoryUrl,
    /// Who registered it, or last changed its address.
    pub actor: Actor,
    /// When it was first registered.
    pub registered_at: Timestamp,
}

/// `GET /v1/repositories`, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryList {
    /// All of them.
    pub repositories: Vec<Repository>,
}
