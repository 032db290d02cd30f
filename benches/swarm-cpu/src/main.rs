//! What the data plane costs: processor seconds for each gigabyte delivered, rate, and peak memory.
//!
//! Every node is a process of its own: this program, started again with a part to play ([`parts`]). Beside ours run
//! the least that could do the same: a blocking copy from file to file through rustls, with the same cipher ([`bare`]),
//! and libtorrent and rqbit, which encrypt nothing. Ours hashes every byte besides and flushes it to the disk. Files lie
//! in memory where there is room, so that a disk is no part of the figures.

mod bare;
mod contest;
mod parts;
mod player;
mod report;
mod side;
mod stage;
mod swarm_node;

use bench_harness::{Bench, Estimate, Plan, in_turn};
use contest::Outcome;
use side::Side;
use stage::Stage;
use std::process::ExitCode;
use std::time::Duration;

/// Content of the whole form and of the quick one, in bytes.
const LENGTH: u64 = 1_000_000_000;
const LENGTH_QUICK: u64 = 250_000_000;
/// Runs of each side.
const RUNS: usize = 5;
/// Bytes a second, of all receivers together, that a side reaches as a rule; and what is no figure but a failure.
const LIKELY_RATE: f64 = 300e6;
const LEAST_RATE: f64 = 20e6;
/// Seconds until the processes of a run are started and ended, as a rule and at the most.
const AROUND: f64 = 1.5;
const AROUND_MOST: f64 = 30.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "swarm-cpu",
        cases: include_str!("../cases"),
        estimate: |plan, case| Ok(estimate(plan, case)),
    };
    match parts::Part::of_arguments() {
        Some(part) => parts::play(part),
        None => bench.run(measure),
    }
}

/// The content's length, and how many receive it.
fn size(plan: &Plan, case: &str) -> (u64, usize) {
    let length = if plan.quick { LENGTH_QUICK } else { LENGTH };
    (length, if case == "one-to-four" { 4 } else { 1 })
}

fn estimate(plan: &Plan, case: &str) -> Estimate {
    let (length, receivers) = size(plan, case);
    let delivered = length as f64 * receivers as f64;
    let of_one = Estimate {
        likely: Duration::from_secs_f64(AROUND + delivered / LIKELY_RATE),
        most: Duration::from_secs_f64(AROUND_MOST) + limit(length, receivers),
    };
    of_one * Side::ALL.len() * plan.runs_or(RUNS)
}

/// How long one run may take.
fn limit(length: u64, receivers: usize) -> Duration {
    Duration::from_secs_f64(AROUND_MOST + length as f64 * receivers as f64 / LEAST_RATE)
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let (length, receivers) = size(plan, case);
    let stage = Stage::set(length).await?;
    let limit = limit(length, receivers);
    let times = |_: &Side, _: &[Outcome]| plan.runs_or(RUNS);
    let sides = in_turn(Side::ALL.to_vec(), times, async |side| {
        Box::pin(contest::run(*side, &stage, receivers, limit)).await
    })
    .await;
    report::emit(plan, case, &stage, receivers, &sides)
}
