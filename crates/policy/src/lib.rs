//! Floor 1: who may change what runs, and when; and how it is proven later who changed what.
//!
//! Pure: policies, the question and the time come in, an answer with its reason goes out. The same decision is made
//! when a deployment is confirmed and before each of its waves, so that a freeze that begins meanwhile stops it.
//!
//! What it promises: a denial wins over everything but a rollback and a broken glass, and says why; what was approved
//! or forbidden counts only while it lasts; an entry of the audit trail that is changed, left out or put in is found.
//!
//! It never reads a clock or a database.

pub mod audit;
mod decide;
mod policy;
mod scope;

pub use decide::{Act, Allowed, Ask, Denial, decide, may_govern};
pub use policy::{Approval, ApprovalRule, Freeze, Grant, InvalidPolicy, Policy, Role};
pub use scope::{ENVIRONMENT, Scope, Subject};
