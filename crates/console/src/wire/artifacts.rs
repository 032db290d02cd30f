//! Artifacts and where they come from.

use model::ArtifactId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /v1/artifacts/{id}/provenance`. Nobody has checked the signatures: whoever needs to be sure does so with a
/// key of their own, as hosts do before they run anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactProvenance {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// The ids of the keys that are said to have signed.
    pub keys: Vec<String>,
    /// The signed envelope, in the form of DSSE.
    pub envelope: Value,
    /// What is in it: an in-toto statement with SLSA's provenance predicate.
    pub statement: Value,
}
