//! The kinds of policies.

use crate::scope::{Scope, Subject};
use jiff::Timestamp;
use model::{Actor, BuildId};
use serde::{Deserialize, Serialize};

/// The longest reason, in bytes.
const REASON_LENGTH_MAX: usize = 500;
/// The most approvals that a rule may ask for.
const APPROVALS_MAX: u8 = 10;

/// Something that counts from when it was said until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Policy {
    /// Nothing is deployed for a while.
    Freeze(Freeze),
    /// Somebody may do something.
    Grant(Grant),
    /// Deployments need other people's consent.
    ApprovalRule(ApprovalRule),
    /// Somebody's consent.
    Approval(Approval),
}

/// Nothing is deployed for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// To what.
    #[serde(default)]
    pub scope: Scope,
    /// From this moment.
    pub from: Timestamp,
    /// Up to this moment.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// What somebody may do. As long as nobody was granted a role, everybody has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Deploy and roll back.
    Deploy,
    /// Approve what others deploy.
    Approve,
    /// Change policies.
    Govern,
}

/// Somebody may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Who.
    pub actor: Actor,
    /// What.
    pub role: Role,
    /// With what.
    #[serde(default)]
    pub scope: Scope,
}

/// Deployments need other people's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// Deployments of what.
    #[serde(default)]
    pub scope: Scope,
    /// Of how many others.
    pub approvals: u8,
}

/// Somebody's consent to one build's deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Whose; whoever says it.
    pub actor: Actor,
    /// To what.
    pub subject: Subject,
    /// Of which build.
    pub build: BuildId,
    /// Up to this moment.
    pub until: Timestamp,
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// A freeze that freezes nothing.
    #[error("a freeze ends after it begins")]
    EmptyFreeze,
    /// No reason, or one that no table could show.
    #[error("say why in 1 to {REASON_LENGTH_MAX} bytes on one line")]
    Reason,
    /// A number of approvals that nobody could want.
    #[error("a rule asks for 1 to {APPROVALS_MAX} approvals")]
    Approvals,
}

impl Policy {
    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidPolicy> {
        match self {
            Self::Freeze(freeze) if freeze.from >= freeze.until => Err(InvalidPolicy::EmptyFreeze),
            Self::Freeze(freeze) => check_reason(&freeze.reason),
            Self::ApprovalRule(rule) if !(1..=APPROVALS_MAX).contains(&rule.approvals) => {
                Err(InvalidPolicy::Approvals)
            }
            Self::Grant(_) | Self::ApprovalRule(_) | Self::Approval(_) => Ok(()),
        }
    }

    /// When it ends by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Freeze(freeze) => Some(freeze.until),
            Self::Approval(approval) => Some(approval.until),
            Self::Grant(_) | Self::ApprovalRule(_) => None,
        }
    }
}

/// Whether a reason says something, on one line.
pub(crate) fn check_reason(reason: &str) -> Result<(), InvalidPolicy> {
    let plain = !reason.trim().is_empty() && !reason.chars().any(char::is_control);
    if plain && reason.len() <= REASON_LENGTH_MAX {
        Ok(())
    } else {
        Err(InvalidPolicy::Reason)
    }
}
