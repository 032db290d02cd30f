//! What the data plane costs: processor seconds for each gigabyte delivered, rate, and peak memory.
//!
//! Every node is a process of its own: this program, started again with a part to play ([`parts`]). Beside ours runs
//! the least that could do the same: a blocking copy from file to file through rustls, with the same cipher ([`bare`]).
//! Ours hashes every byte besides and flushes it to the disk. Files lie in memory where there is room, so that a disk
//! is no part of the figures.

mod bare;
mod contest;
mod parts;
mod stage;
mod swarm_node;

use bench_harness::{Better, GB, Line, MB, Plan, in_turn, median};
use contest::{Outcome, Side};
use stage::Stage;
use std::process::ExitCode;

/// Content of the whole form and of the quick one, in bytes.
const LENGTH: u64 = 1_000_000_000;
const LENGTH_QUICK: u64 = 250_000_000;
/// Runs of each side.
const RUNS: usize = 5;

fn main() -> ExitCode {
    match parts::Part::of_arguments() {
        Some(part) => parts::play(part),
        None => bench_harness::run("swarm-cpu", include_str!("../cases"), measure),
    }
}

fn measure(plan: &Plan) -> anyhow::Result<()> {
    let length = if plan.quick { LENGTH_QUICK } else { LENGTH };
    let stage = Stage::set(length)?;
    for case in &plan.cases {
        let receivers = if *case == "one-to-four" { 4 } else { 1 };
        let runs = plan.runs_or(RUNS);
        let outcomes = in_turn(&Side::ALL, runs, |side| contest::run(*side, &stage, receivers))?;
        let [ours, bare] = &outcomes[..] else {
            anyhow::bail!("a side is missing")
        };
        report(plan, case, &stage, (ours, bare), receivers)?;
    }
    Ok(())
}

fn report(
    plan: &Plan,
    case: &str,
    stage: &Stage,
    (ours, bare): (&[Outcome], &[Outcome]),
    receivers: usize,
) -> anyhow::Result<()> {
    let delivered = stage.length as f64 * receivers as f64;
    let middle = |side: &[Outcome], figure: &dyn Fn(&Outcome) -> f64| {
        median(&side.iter().map(figure).collect::<Vec<_>>())
    };
    let note = format!(
        "{:.1} GB to {receivers}, {}",
        stage.length as f64 / GB,
        stage.medium
    );
    let line = |metric: &str, unit: &str, better: Better, figure: &dyn Fn(&Outcome) -> f64| {
        let value = middle(ours, figure);
        Line::new(plan.bench, case, metric, (value, unit), ours.len())
            .against("bare-tls", middle(bare, figure), better)
            .note(&note)
    };
    let rate = |outcome: &Outcome| delivered / MB / outcome.seconds;
    line("throughput", "MB/s", Better::Higher, &rate).emit()?;
    let of_tls = middle(ours, &rate) / middle(bare, &rate);
    Line::new(
        plan.bench,
        case,
        "throughput_of_tls",
        (of_tls, "ratio"),
        ours.len(),
    )
    .note(&note)
    .emit()?;
    line("cpu_s_per_gb", "s/GB", Better::Lower, &|outcome| {
        outcome.cpu_seconds / (delivered / GB)
    })
    .emit()?;
    line("peak_rss_mb", "MB", Better::Lower, &|outcome| {
        outcome.peak_rss_bytes as f64 / MB
    })
    .emit()
}
