//! What a transfer used of the machine.

use crate::disk::page_cache_bytes;
use bench_harness::{Usage, Watch};
use std::time::Duration;

/// How often the processes are looked at.
const PERIOD: Duration = Duration::from_millis(250);

/// Processes that are being watched.
#[derive(Debug)]
pub struct Cost {
    watched: Vec<(Usage, Watch)>,
    page_cache_before: f64,
}

/// What they used while they were.
#[derive(Debug)]
pub struct Spent {
    /// Of all processes together.
    pub cpu_seconds: f64,
    /// The largest resident set of each process since it began, in bytes, in the order they were named.
    pub peak_rss_bytes: Vec<u64>,
    /// How much more of files the system kept in memory at the end than at the beginning, in bytes.
    pub page_cache_growth: f64,
}

impl Cost {
    /// Watches these processes from now on.
    pub fn begin(processes: Vec<u32>) -> Self {
        let watch = |pid| {
            let before = Usage::of_process(pid).unwrap_or_default();
            (before, Watch::start(pid, PERIOD))
        };
        Self {
            watched: processes.into_iter().map(watch).collect(),
            page_cache_before: page_cache_bytes(),
        }
    }

    /// The end of what is measured.
    pub fn end(self) -> Spent {
        let page_cache_growth = page_cache_bytes() - self.page_cache_before;
        let used: Vec<(Usage, Usage)> = self
            .watched
            .into_iter()
            .map(|(before, watch)| (before, watch.finish()))
            .collect();
        Spent {
            cpu_seconds: used
                .iter()
                .map(|(before, after)| after.cpu_seconds - before.cpu_seconds)
                .sum(),
            peak_rss_bytes: used.iter().map(|(_, after)| after.peak_rss_bytes).collect(),
            page_cache_growth,
        }
    }
}
