//! The lines of the case.

use crate::side::{Outcome, Side};
use crate::stage::REGIONS;
use bench_harness::{Better, GB, MB, Plan, Report, Runs};

/// How often the main store should be read.
const READS_GOAL: f64 = 1.0;
/// The most memory that our process may take, in MB.
const RSS_GOAL_MB: f64 = 128.0;

pub fn emit(plan: &Plan, case: &str, length: u64, sides: &[Runs<Side, Outcome>]) -> anyhow::Result<()> {
    let (length, delivered) = (length as f64, length as f64 * REGIONS.len() as f64);
    let report = Report::new(plan, case, sides)?.note(format!(
        "{:.2} GB to {} regions, all stores and whoever copies on this machine and one disk, flushed by the stores",
        length / GB,
        REGIONS.len()
    ));
    report.beside("seconds", "s", Better::Lower, |outcome| outcome.seconds)?;
    report.beside("throughput", "MB/s", Better::Higher, |outcome| {
        delivered / MB / outcome.seconds
    })?;
    report.beside("cpu_s_per_gb", "s/GB", Better::Lower, |outcome| {
        outcome.cpu_seconds / (delivered / GB)
    })?;
    let memory = |outcome: &Outcome| outcome.peak_rss_bytes as f64 / MB;
    report.beside_goal(("peak_rss_mb", "MB"), Better::Lower, RSS_GOAL_MB, memory)?;
    let reads = |outcome: &Outcome| outcome.read_of_main as f64 / length;
    report.beside_goal(("main_store_reads", "times"), Better::Lower, READS_GOAL, reads)
}
