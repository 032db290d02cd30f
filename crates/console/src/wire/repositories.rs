//! Registered repositories.

use jiff::Timestamp;
use model::{Actor, RepositoryName, RepositoryUrl};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

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
    /// The most builds of it that run at once; no limit where there is none.
    pub running_max: Option<u32>,
}

/// `PUT /v1/repositories/{name}/limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryLimit {
    /// The most builds of it that run at once, at least one; null lifts the limit. What runs goes on.
    pub running_max: Option<NonZeroU32>,
}

/// `GET /v1/repositories`, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryList {
    /// All of them.
    pub repositories: Vec<Repository>,
}
