//! How many builds a second the queue hands out and takes back, beside other queues on Postgres; what a transaction
//! that somebody holds open does to it; and what ten thousand workers' heartbeats cost.
//!
//! Every side is a process of its own with so many workers, whose jobs do nothing, on a database of its own in one
//! server of Debian's Postgres with its defaults, so that every commit reaches the disk. Counted is what is done in
//! the database, from a second after the first job was, for a few seconds.

mod beats;
mod contest;
mod held;
mod part;
mod side;

use bench_harness::{Bench, Better, Estimate, Plan, Report, in_turn};
use side::{Load, Side};
use std::process::ExitCode;
use std::time::Duration;

/// Runs of each side.
const RUNS: usize = 3;
/// Seconds that preparing and ending a run of one side takes, as a rule and at the most.
const AROUND: f64 = 8.0;
const AROUND_MOST: f64 = 90.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "queue",
        cases: include_str!("../cases"),
        estimate: |plan, case| Ok(estimate(plan, case)),
    };
    match part::of_arguments() {
        Some(part) => part::play(&part),
        None => bench.run(measure),
    }
}

/// What a case asks of every side; none for the cases of ours alone.
fn load(case: &str) -> Option<Load> {
    let (form, workers) = case.split_once('-')?;
    let batch = if form == "batched" { 100 } else { 1 };
    Some(Load {
        workers: workers.parse().ok()?,
        batch,
    })
}

fn estimate(plan: &Plan, case: &str) -> Estimate {
    let seconds = match (case, load(case)) {
        (_, Some(load)) => {
            let sides = Side::ALL.iter().filter(|side| side.can(load)).count();
            let runs = sides * plan.runs_or(RUNS);
            let run = contest::window(plan).as_secs_f64() + AROUND;
            return Estimate {
                likely: Duration::from_secs_f64(run),
                most: Duration::from_secs_f64(run + AROUND_MOST),
            } * runs;
        }
        ("held", None) => 2.0 * held::window(plan).as_secs_f64(),
        _ => beats::window(plan).as_secs_f64(),
    };
    Estimate {
        likely: Duration::from_secs_f64(seconds + 2.0 * AROUND),
        most: Duration::from_secs_f64(seconds + 2.0 * AROUND_MOST),
    }
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    match (case, load(case)) {
        (_, Some(load)) => compare(plan, case, load).await,
        ("held", None) => held::measure(plan, case).await,
        _ => beats::measure(plan, case).await,
    }
}

async fn compare(plan: &Plan, case: &str, load: Load) -> anyhow::Result<()> {
    let sides = Side::ALL.iter().copied().filter(|side| side.can(load)).collect();
    let times = |_: &Side, _: &[f64]| plan.runs_or(RUNS);
    let window = contest::window(plan);
    let sides = in_turn(sides, times, async |side| contest::run(*side, load, window).await).await;
    let note = "empty jobs, fsync on, every side one process";
    let report = Report::new(plan, case, &sides)?.note(note);
    report.beside("jobs_per_s", "1/s", Better::Higher, |rate| *rate)
}
