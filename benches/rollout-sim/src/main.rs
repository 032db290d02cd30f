//! A hundred thousand modelled instances in ten regions under the shipped control plane: a real Postgres, an etcd for
//! each region, and `starling controller` as a process of its own.
//!
//! What is modelled is the host (how long it fetches, starts, and whether it fails) and the way from it to its manager.
//! Who has their turn is decided by the rule that managers run, and what they report goes the way that it goes in the
//! API's process, without HTTP.

mod bad_release;
mod costs;
mod fate;
mod fleet;
mod host;
mod region;
mod roll_back;
mod rolling;
mod stage;
mod truth;

use bench_harness::{Bench, Estimate, Plan};
use std::process::ExitCode;
use std::time::Duration;

/// Seconds that preparing and ending a case takes, as a rule, with all hosts of the full form.
const AROUND: f64 = 40.0;
/// How many times longer than it should a case may take.
const PATIENCE: f64 = 4.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "rollout-sim",
        cases: include_str!("../cases"),
        estimate: |plan, case| Ok(estimate(plan, case)),
    };
    bench.run(measure)
}

fn estimate(plan: &Plan, case: &str) -> Estimate {
    let seconds = match case {
        "rollback" => roll_back::seconds(plan),
        "rolling" => rolling::seconds(plan),
        _ => bad_release::seconds(plan),
    };
    let around = if plan.quick { AROUND / 4.0 } else { AROUND };
    Estimate {
        likely: Duration::from_secs_f64(seconds + around),
        most: Duration::from_secs_f64((seconds + around) * PATIENCE),
    }
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    match case {
        "rollback" => roll_back::measure(plan, case).await,
        "rolling" => rolling::measure(plan, case).await,
        _ => bad_release::measure(plan, case).await,
    }
}

/// How many instances there are.
const fn instances(plan: &Plan) -> u32 {
    if plan.quick { 10_000 } else { 100_000 }
}
