//! The figures, for people and machines.

use crate::run::{HOSTS, Run, SOURCES};
use bench_harness::{Better, GB, Line, MB, Plan, Report, Runs};

/// The most memory that a process may take, in MB.
const RSS_GOAL_MB: f64 = 128.0;
/// Names of the watched processes, in order; the hosts come after.
const SEEDS: [&str; 2] = ["store", "manager"];

/// One run in words.
pub fn tell(run: &Run, length: u64) {
    let sources = SOURCES.iter().zip(run.bytes);
    let sources: Vec<String> = sources
        .map(|(source, bytes)| format!("{source} {:.2} GB", bytes / GB))
        .collect();
    eprintln!(
        "  the hosts had {:.2} GB each after {:.1?} s: {}; the manager read {:.2} GB of the store",
        length as f64 / GB,
        run.race.seconds,
        sources.join(", "),
        run.manager_read / GB
    );
}

/// The medians of all runs.
pub fn emit(plan: &Plan, length: u64, sides: &[Runs<&str, Run>]) -> anyhow::Result<()> {
    let report = Report::new(plan, if plan.quick { "512m" } else { "10g" }, sides)?;
    let line = |metric: &str, unit: &str, figure: &dyn Fn(&Run) -> f64| report.line(metric, unit, figure);
    let (length, delivered) = (length as f64, length as f64 * HOSTS as f64);
    line("seconds", "s", &last)
        .note("from the order to the last of three hosts: fetched, verified, flushed")
        .emit()?;
    line("rate", "MB/s", &|run| delivered / last(run) / MB)
        .note("all hosts together, store, manager and hosts on this one machine")
        .emit()?;
    line("cpu_s_per_gb", "s/GB", &|run| {
        run.race.spent.cpu_seconds / (delivered / GB)
    })
    .note("store, manager and hosts together, per GB that a host received")
    .emit()?;
    for (index, name) in SEEDS.into_iter().enumerate() {
        memory(line(&format!("peak_rss_mb_{name}"), "MB", &|run| rss(run, index)))?;
    }
    let worst_host = |run: &Run| {
        (SEEDS.len()..SEEDS.len() + HOSTS)
            .map(|index| rss(run, index))
            .fold(0.0, f64::max)
    };
    memory(line("peak_rss_mb", "MB", &worst_host).note("the largest of the agents"))?;
    for (index, source) in SOURCES.into_iter().enumerate() {
        line(&format!("bytes_from_{source}"), "GB", &|run| {
            run.bytes[index] / GB
        })
        .emit()?;
    }
    line("store_reads", "times", &|run| {
        (run.bytes[0] + run.manager_read) / length
    })
    .note("how often the region read the artifact from its store, hosts and manager together")
    .emit()?;
    line("page_cache_growth", "GB", &|run| run.page_cache_growth / GB)
        .note("of the whole machine, the store's files included")
        .emit()
}

fn last(run: &Run) -> f64 {
    run.race.seconds.iter().copied().fold(0.0, f64::max)
}

/// Of the process with this number, in MB; not a number if it was gone.
fn rss(run: &Run, index: usize) -> f64 {
    run.race
        .spent
        .peak_rss_bytes
        .get(index)
        .map_or(f64::NAN, |bytes| *bytes as f64 / MB)
}

fn memory(line: Line) -> anyhow::Result<()> {
    line.against("goal", RSS_GOAL_MB, Better::Lower).emit()
}
