//! An artifact's way from the main store to five regions' stores.
//!
//! The stores are what `starling store` serves, each a process of its own, and flush every byte before they answer. Our
//! side is the service that `starling synchronizer` runs, in a process of its own, with a real Postgres: time begins
//! when the artifact is recorded and ends when the database says VERIFIED of all five regions. rclone is told to copy
//! the same object to each region, all five at once; time ends with the last of them. What arrived is compared after
//! every run. What the main store read of its disk tells how often it was asked for each byte.

mod ours;
mod report;
mod rival;
mod side;
mod stage;

use bench_harness::{Bench, Estimate, Plan, in_turn};
use side::{Outcome, Side};
use stage::{REGIONS, Stage};
use std::process::ExitCode;
use std::time::Duration;

/// The artifact's length in bytes, and the same in the quick form.
const LENGTH: u64 = 2 << 30;
const LENGTH_QUICK: u64 = 256 << 20;
/// Runs of each side.
const RUNS: usize = 3;
/// Bytes a second that all regions together receive as a rule; less than the other is no figure but a failure.
const LIKELY_RATE: f64 = 300e6;
const LEAST_RATE: f64 = 20e6;
/// Seconds until the processes of a run are started and ended, as a rule and at the most.
const AROUND: f64 = 6.0;
const AROUND_MOST: f64 = 120.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "replicate",
        cases: include_str!("../cases"),
        estimate: |plan, _| Ok(estimate(plan)),
    };
    match bench_stores::part() {
        Some((part, arguments)) => bench_stores::played(&part, play(&part, &arguments)),
        None => bench.run(measure),
    }
}

fn play(part: &str, arguments: &[String]) -> anyhow::Result<()> {
    match part {
        "store" => bench_stores::serve(arguments),
        "synchronizer" => ours::synchronize(arguments),
        other => Err(anyhow::anyhow!("there is no part {other}")),
    }
}

fn length(plan: &Plan) -> u64 {
    if plan.quick { LENGTH_QUICK } else { LENGTH }
}

/// How long one run of one side may take.
fn limit(length: u64) -> Duration {
    Duration::from_secs_f64(AROUND_MOST + length as f64 * REGIONS.len() as f64 / LEAST_RATE)
}

fn estimate(plan: &Plan) -> Estimate {
    let length = length(plan);
    let of_one = Estimate {
        likely: Duration::from_secs_f64(AROUND + length as f64 * REGIONS.len() as f64 / LIKELY_RATE),
        most: limit(length),
    };
    of_one * (Side::ALL.len() * plan.runs_or(RUNS) + 1)
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let length = length(plan);
    let stage = Box::pin(Stage::set(length)).await?;
    let limit = limit(length);
    let times = |_: &Side, _: &[Outcome]| plan.runs_or(RUNS);
    let sides = in_turn(Side::ALL.to_vec(), times, async |side| {
        let run = async {
            match side {
                Side::Ours => ours::run(&stage, limit).await,
                Side::Rclone => rival::run(&stage, limit).await,
            }
        };
        Box::pin(run).await
    })
    .await;
    report::emit(plan, case, length, &sides)
}
