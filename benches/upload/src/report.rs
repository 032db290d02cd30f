//! The lines of one case.

use crate::contest::Outcome;
use crate::side::Side;
use bench_harness::{Better, GB, MB, Plan, Report, Runs};

/// The most memory that our process may take, in MB.
const RSS_GOAL_MB: f64 = 128.0;

pub fn emit(plan: &Plan, case: &str, length: u64, sides: &[Runs<Side, Outcome>]) -> anyhow::Result<()> {
    let length = length as f64;
    let report = Report::new(plan, case, sides)?.note(format!(
        "{:.2} GB in one file, on disk and in the page cache; client and store on this machine; {}",
        length / GB,
        match case {
            "up" => "flushed by the store before it answers",
            _ => "no side flushes what it wrote",
        }
    ));
    report.beside("throughput", "MB/s", Better::Higher, |outcome| {
        length / MB / outcome.seconds
    })?;
    report.beside("cpu_s_per_gb", "s/GB", Better::Lower, |outcome| {
        outcome.cpu_seconds / (length / GB)
    })?;
    let memory = |outcome: &Outcome| outcome.peak_rss_bytes as f64 / MB;
    report.beside_goal(("peak_rss_mb", "MB"), Better::Lower, RSS_GOAL_MB, memory)?;
    report
        .line("peak_rss_mb_of_store", "MB", |outcome| {
            outcome.peak_rss_bytes_of_store as f64 / MB
        })
        .emit()
}
