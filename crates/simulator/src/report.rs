//! What a run showed.

use crate::host::Host;
use crate::{Case, InvalidCase, Violation, bound};
use serde::{Deserialize, Serialize};

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

/// What is counted while a run goes on.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub from_seeds: u64,
    pub from_store: u64,
    pub from_hosts: u64,
    pub wasted: u64,
    pub messages: u64,
    pub events: u64,
}

/// What a run showed. Times are those of honest hosts that were there from the start, never died and
/// are no stragglers. All others had to complete too, but their time says more about themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Hosts whose times count.
    pub hosts: u32,
    /// The least possible time for just those hosts, in seconds.
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
    /// Stored bytes that hosts pulled from the store.
    pub bytes_from_store: u64,
    /// How many times the hosts read the whole artifact from the store. A manager that seeds what it
    /// reads from there adds one.
    pub store_reads: f64,
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
    /// When each of the hosts that count had everything, in seconds, sorted.
    #[serde(skip)]
    pub completed_s: Vec<f64>,
}

impl Report {
    pub(crate) fn new(case: &Case, hosts: &[Host], tally: Tally, trace_hash: u64) -> Self {
        let judged: Vec<&Host> = hosts.iter().filter(|host| host.fate.judged).collect();
        let mut completed_s: Vec<f64> = judged
            .iter()
            .filter_map(|host| host.completed_at)
            .map(|at| at.0 as f64 / 1e6)
            .collect();
        completed_s.sort_unstable_by(f64::total_cmp);
        let links: Vec<_> = judged.iter().map(|host| host.fate.link).collect();
        let sources = [
            case.seed_link.up.saturating_mul(u64::from(case.seeds)),
            case.store.map_or(0, |store| store.up),
        ];
        let bound_s = bound::least_seconds(case.bytes, sources.iter().sum(), &links);
        let over = |seconds: f64| if bound_s > 0.0 { seconds / bound_s } else { 1.0 };
        let [p50_s, p99_s, max_s] = [0.5, 0.99, 1.0].map(|share| percentile(&completed_s, share));
        Self {
            hosts: completed_s.len() as u32,
            bound_s,
            p50_s,
            p99_s,
            max_s,
            p50_over_bound: over(p50_s),
            p99_over_bound: over(p99_s),
            max_over_bound: over(max_s),
            bytes_from_seeds: tally.from_seeds,
            bytes_from_store: tally.from_store,
            store_reads: tally.from_store as f64 / case.bytes.max(1) as f64,
            bytes_from_hosts: tally.from_hosts,
            bytes_wasted: tally.wasted,
            messages: tally.messages,
            events: tally.events,
            trace_hash,
            completed_s,
        }
    }
}

/// The value at which `share` of the `sorted` values have passed.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    let rank = rank.clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}
