//! The decision.

use crate::policy::{Approval, ApprovalRule, Freeze, Grant, InvalidPolicy, Policy, Role, check_reason};
use crate::scope::Subject;
use jiff::Timestamp;
use model::{Actor, BuildId};
use std::collections::BTreeSet;

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Confirm the deployment of a build.
    Deploy(BuildId),
    /// Let a deployment that was confirmed go on, wave by wave.
    Advance,
    /// Pause, resume, step or abort a deployment, or lift a hold.
    Steer,
    /// Bring back what ran before.
    RollBack,
}

/// The question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Who asks; of a deployment that goes on, who confirmed it.
    pub actor: Actor,
    /// What is touched.
    pub subject: Subject,
    /// What is done.
    pub act: Act,
    /// Why freezes and missing approvals shall not count this once.
    pub break_glass: Option<String>,
}

/// It may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// What would have forbidden it, had the glass not been broken; to be recorded with the reason.
    pub broken: Vec<Denial>,
}

/// Why it may not be done, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Nothing is deployed there now.
    #[error("deployments of {scope} are frozen until {until}: {reason}")]
    Frozen {
        /// What is frozen.
        scope: String,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Others may, and this one may not.
    #[error("{actor} may not deploy {subject}")]
    NotGranted {
        /// Who asked.
        actor: Actor,
        /// What for.
        subject: String,
    },
    /// Others have not agreed yet, or too long ago.
    #[error("it needs the approval of {wanted} others, and has that of {given}")]
    NotApproved {
        /// How many are needed.
        wanted: u8,
        /// How many there are.
        given: usize,
    },
    /// A glass is broken with a reason or not at all.
    #[error("the glass is broken with a reason: {0}")]
    Reason(InvalidPolicy),
}

/// Decides by the policies that have not ended. Of what denies, the first word counts: a role, a freeze, an approval.
/// A broken glass replaces no role.
pub fn decide(policies: &[Policy], ask: &Ask, now: Timestamp) -> Result<Allowed, Denial> {
    let advances = ask.act == Act::Advance;
    if !advances && !has_role(policies, &ask.actor, Role::Deploy, &ask.subject) {
        return Err(Denial::NotGranted {
            actor: ask.actor.clone(),
            subject: ask.subject.to_string(),
        });
    }
    if matches!(ask.act, Act::RollBack | Act::Steer) {
        return Ok(Allowed { broken: Vec::new() });
    }
    let mut denials: Vec<Denial> = freezes(policies, &ask.subject, now).map(frozen).collect();
    if let Act::Deploy(build) = ask.act {
        denials.extend(not_approved(policies, ask, build, now));
    }
    match &ask.break_glass {
        Some(reason) => {
            check_reason(reason).map_err(Denial::Reason)?;
            Ok(Allowed { broken: denials })
        }
        None => denials
            .into_iter()
            .next()
            .map_or(Ok(Allowed { broken: Vec::new() }), Err),
    }
}

/// Whether somebody may change policies.
pub fn may_govern(policies: &[Policy], actor: &Actor) -> bool {
    let mut grants = grants(policies, Role::Govern).peekable();
    grants.peek().is_none() || grants.any(|grant| grant.actor == *actor)
}

fn grants(policies: &[Policy], role: Role) -> impl Iterator<Item = &Grant> {
    policies.iter().filter_map(move |policy| match policy {
        Policy::Grant(grant) if grant.role == role => Some(grant),
        _ => None,
    })
}

/// As long as a role was granted to nobody, everybody has it.
fn has_role(policies: &[Policy], actor: &Actor, role: Role, subject: &Subject) -> bool {
    let mut grants = grants(policies, role).peekable();
    grants.peek().is_none() || grants.any(|grant| grant.actor == *actor && grant.scope.covers(subject))
}

fn freezes<'a>(
    policies: &'a [Policy],
    subject: &'a Subject,
    now: Timestamp,
) -> impl Iterator<Item = &'a Freeze> {
    policies.iter().filter_map(move |policy| match policy {
        Policy::Freeze(freeze) if (freeze.from..freeze.until).contains(&now) => {
            Some(freeze).filter(|freeze| freeze.scope.touches(subject))
        }
        _ => None,
    })
}

fn frozen(freeze: &Freeze) -> Denial {
    Denial::Frozen {
        scope: freeze.scope.to_string(),
        until: freeze.until,
        reason: freeze.reason.clone(),
    }
}

/// The strictest rule that is not met.
fn not_approved(policies: &[Policy], ask: &Ask, build: BuildId, now: Timestamp) -> Option<Denial> {
    let rules = policies.iter().filter_map(|policy| match policy {
        Policy::ApprovalRule(ApprovalRule { scope, approvals }) => {
            scope.touches(&ask.subject).then_some(*approvals)
        }
        _ => None,
    });
    let wanted = rules.max()?;
    let approvals = policies.iter().filter_map(|policy| match policy {
        Policy::Approval(approval) => Some(approval),
        _ => None,
    });
    let counts = |approval: &&Approval| {
        approval.build == build
            && now < approval.until
            && approval.actor != ask.actor
            && covers(&approval.subject, &ask.subject)
            && has_role(policies, &approval.actor, Role::Approve, &ask.subject)
    };
    // A person's consent counts once, however often it is given.
    let people: BTreeSet<&str> = approvals
        .filter(counts)
        .map(|approval| approval.actor.as_str())
        .collect();
    let given = people.len();
    (given < usize::from(wanted)).then_some(Denial::NotApproved { wanted, given })
}

/// Whether who agreed to one thing has agreed to the other, which is it or a part of it.
fn covers(agreed: &Subject, subject: &Subject) -> bool {
    agreed.service == subject.service
        && (agreed.environment.is_none() || agreed.environment == subject.environment)
}

#[cfg(test)]
mod tests;
