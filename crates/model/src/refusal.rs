//! How the API says no, to whoever asked it something.

use serde::{Deserialize, Serialize};

/// The body of every answer whose status is 400 or above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// One refusal, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// A stable word that programs may compare, such as `unknown_target`.
    pub code: String,
    /// What went wrong, naming the thing.
    pub message: String,
    /// What to do next.
    pub next: String,
}
