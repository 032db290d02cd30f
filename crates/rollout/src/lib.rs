//! Floor 1: when a deployment moves on, and when it has ended.
//!
//! A pure planner: [`plan`] looks at a deployment and at what every region says of it, and proposes the
//! next [`Step`] with the reason in words. Whoever asks applies it; the planner itself never reads a clock,
//! a database or a network, and decides the same thing whenever it is shown the same picture.
//!
//! It promises:
//! - a deployment that has ended stays as it ended;
//! - none succeeds while a single host that is alive lacks the release or is not healthy, nor before
//!   every region has been heard;
//! - none outlives its deadline.
//!
//! It must never count what it was not told: a silent region is not a healthy one.

mod plan;
mod region;
mod step;

pub use plan::{Deployment, plan};
pub use region::Region;
pub use step::Step;
