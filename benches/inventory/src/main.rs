//! What the heartbeats of the inventory cost: how many a second Postgres takes, and how much of the machine a hundred
//! thousand instances use.
//!
//! One server of Debian's Postgres with its defaults, so that every commit reaches the disk. Every instance is
//! registered before; a heartbeat goes the way that it goes in the API's process, without HTTP.

mod fleet;
mod instances;
mod rate;

use bench_harness::{Bench, Estimate, Plan};
use std::process::ExitCode;
use std::time::Duration;

/// Seconds that preparing and ending a run takes, as a rule and at the most.
const AROUND: f64 = 15.0;
const AROUND_MOST: f64 = 90.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "inventory",
        cases: include_str!("../cases"),
        estimate: |plan, case| Ok(estimate(plan, case)),
    };
    bench.run(measure)
}

fn estimate(plan: &Plan, case: &str) -> Estimate {
    let seconds = match case {
        "rate" => rate::seconds(plan),
        _ => fleet::seconds(plan),
    };
    Estimate {
        likely: Duration::from_secs_f64(seconds + AROUND),
        most: Duration::from_secs_f64(seconds + AROUND_MOST),
    }
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    match case {
        "rate" => rate::measure(plan, case).await,
        _ => fleet::measure(plan, case).await,
    }
}
