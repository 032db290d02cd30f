//! An artifact's way into a store and out of it, beside the programs that people use for that.
//!
//! The server is what `starling store` serves, in a process of its own, the same for all; it has flushed every byte
//! before it answers. Every side is a process that begins with the run and ends with it. Ours is what a worker does:
//! it hashes every piece, cuts and sends the parts, and stores the signed manifest; on the way back it verifies each
//! piece before it is written. The bare limit is one process that copies the same file on the same disk and hashes it
//! once. What came out is compared with what went in after every run.

mod bare;
mod contest;
mod ours;
mod report;
mod side;
mod stage;

use bench_harness::{Bench, Estimate, Plan, in_turn};
use contest::Outcome;
use side::Side;
use stage::Stage;
use std::process::ExitCode;
use std::time::Duration;

/// The content's length in bytes, and the same in the quick form.
const LENGTH: u64 = 5 << 30;
const LENGTH_QUICK: u64 = 512 << 20;
/// Runs of each side.
const RUNS: usize = 3;
/// Bytes a second that a side moves as a rule; less than the other is no figure but a failure.
const LIKELY_RATE: f64 = 250e6;
const LEAST_RATE: f64 = 20e6;
/// Seconds until the processes of a run are started and ended, as a rule and at the most.
const AROUND: f64 = 2.0;
const AROUND_MOST: f64 = 60.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "upload",
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
        "up" => ours::up(arguments),
        "down" => ours::down(arguments),
        "bare" => bare::copy(arguments),
        other => Err(anyhow::anyhow!("there is no part {other}")),
    }
}

fn length(plan: &Plan) -> u64 {
    if plan.quick { LENGTH_QUICK } else { LENGTH }
}

/// How long one run of one side may take.
fn limit(length: u64) -> Duration {
    Duration::from_secs_f64(AROUND_MOST + length as f64 / LEAST_RATE)
}

fn estimate(plan: &Plan) -> Estimate {
    let length = length(plan);
    let of_one = Estimate {
        likely: Duration::from_secs_f64(AROUND + length as f64 / LIKELY_RATE),
        most: limit(length),
    };
    // One more is the making of the content.
    of_one * (Side::ALL.len() * plan.runs_or(RUNS) + 1)
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let length = length(plan);
    let stage = Box::pin(Stage::set(length, case == "down")).await?;
    let limit = limit(length);
    let times = |_: &Side, _: &[Outcome]| plan.runs_or(RUNS);
    let sides = in_turn(Side::ALL.to_vec(), times, async |side| {
        let run = async {
            match case {
                "up" => contest::up(*side, &stage, limit).await,
                _ => contest::down(*side, &stage, limit).await,
            }
        };
        Box::pin(run).await
    })
    .await;
    report::emit(plan, case, length, &sides)
}
