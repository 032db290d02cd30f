//! What a run showed.

use crate::{InvalidCase, Violation};
use serde::Serialize;

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The case makes no sense.
    #[error(transparent)]
    Case(#[from] InvalidCase),
    /// An invariant broke.
    #[error("an invariant broke after {after_us} µs")]
    Broken {
        /// How long after the start.
        after_us: u64,
        /// Which one.
        #[source]
        violation: Violation,
    },
}

/// What a run showed. Times are those of honest hosts that never died; hosts that came back had to
/// complete too, but their time says more about when they died.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Hosts whose times count.
    pub hosts: u32,
    /// The least possible time for those hosts, in seconds.
    pub bound_s: f64,
    /// When half of them had everything, in seconds.
    pub p50_s: f64,
    /// When 99 of 100 had everything, in seconds.
    pub p99_s: f64,
    /// When the last had everything, in seconds.
    pub max_s: f64,
    /// `p50_s` as a multiple of the bound.
    pub p50_over_bound: f64,
    /// `p99_s` as a multiple of the bound.
    pub p99_over_bound: f64,
    /// `max_s` as a multiple of the bound.
    pub max_over_bound: f64,
    /// Stored bytes that came from seeds.
    pub bytes_from_seeds: u64,
    /// Stored bytes that came from other hosts.
    pub bytes_from_hosts: u64,
    /// Bytes that were sent for nothing: asked for twice, or wrong.
    pub bytes_wasted: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// Events that happened.
    pub events: u64,
    /// A hash over all of them.
    pub trace_hash: u64,
}

/// The time at which `share` of the sorted `times` have passed, in seconds.
pub fn percentile(times: &[u64], share: f64) -> f64 {
    let rank = (times.len() as f64 * share).ceil() as usize;
    times
        .get(rank.clamp(1, times.len().max(1)) - 1)
        .map_or(0.0, |&us| us as f64 / 1e6)
}
