//! How a deployment moves through its fleet: what an engineer decides.

mod policy;
mod wave;

pub use policy::{InvalidRollout, RolloutPolicy, Strategy};
pub use wave::{InvalidWave, Order, WAVES_MAX, Wave};
