//! What is forbidden, who may do what, what needs consent; and who did what.

use jiff::Timestamp;
use model::Actor;
use policy::audit::Entry;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A policy that counts. `POST /v1/policies` takes a `policy` and answers with this, and so does
/// `POST /v1/policies/{id}/end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// What people call it.
    pub id: Uuid,
    /// What it says.
    pub policy: policy::Policy,
    /// Who said it.
    pub actor: Actor,
    /// When.
    pub created_at: Timestamp,
}

/// `GET /v1/policies`, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyList {
    /// All that count now.
    pub policies: Vec<PolicyInForce>,
}

/// One entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// What was done.
    #[serde(flatten)]
    pub entry: Entry,
    /// The hash of it and of all before, in hexadecimal digits.
    pub link: String,
}

/// `GET /v1/audit?limit=50&before=NUMBER`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditList {
    /// One page.
    pub entries: Vec<AuditEntry>,
    /// Give it as `before` to get the next page; none at the end.
    pub next: Option<i64>,
}

/// `GET /v1/audit/verification`: the whole trail was followed, and is what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerified {
    /// How many entries there are.
    pub entries: i64,
    /// The last one's link. Kept elsewhere, it tells later whether the trail was written anew.
    pub link: String,
}
