//! Floor 1: how a deployment moves through its fleet, when it stops, and what it does then.
//!
//! A pure planner. [`waves`] turns a policy and a fleet into waves, once; [`plan`] looks at a deployment and at what
//! every region says of it, and proposes the next [`Step`] with the reason in words. Whoever asks applies it; the planner
//! itself never reads a clock, a database or a network, and decides the same thing whenever it is shown the same picture.
//!
//! It promises:
//! - a deployment that has ended stays as it ended;
//! - never more hosts on their way than one batch, so never more unhealthy ones by its doing than the threshold and one
//!   batch;
//! - after a wave that is warm nobody's turn comes before every host of its regions that is alive has the release ready
//!   beside what it runs, but for those that the threshold allows to fail and those that were broken before;
//! - nothing is expanded while a host that has the release, or a region that has such hosts, is not heard of;
//! - none succeeds before every host that is alive runs the release and is healthy, but for those that the threshold
//!   allows to fail and those that were broken before;
//! - none outlives its deadline;
//! - after it has succeeded it is taken back for hosts that tell of trouble, and never because hosts are not heard of.
//!
//! It must never count what it was not told: a silent region is not a healthy one, and an unknown host is neither
//! healthy nor failed.

mod count;
mod plan;
mod region;
mod step;
mod strategies;
mod turn;
mod watch;

pub use plan::{Deployment, Kind, plan};
pub use region::{Region, Warm};
pub use step::{Step, Verdict};
pub use strategies::waves;
pub use turn::{Candidate, Turns};
pub use watch::{Finding, Watched, WatchedRegion, watch};
