//! Floor 1: which artifacts may go.
//!
//! A pure planner: [`plan`] looks at every artifact and at everything that may still need one, and says of
//! each whether it is collected or why it is kept. Whoever asks applies it; the planner itself never reads a
//! clock, a database or a store.
//!
//! It promises:
//! - nothing that a region was told to run, that a host runs, that a deployment in flight carries, that a
//!   release may be rolled back to, or that is being built, is ever collected, whatever the policy says;
//! - of each target the newest artifacts stay, and whatever is young.
//!
//! It must never take what it was not shown for unneeded: whoever asks shows every reference.

mod plan;
mod policy;

pub use plan::{Artifact, Kept, Plan, Reason, References, Release, plan};
pub use policy::{Policy, Rollbacks, ServiceRollbacks};
