//! A real artifact of 10 GB, from a region's store to three hosts of the region, all on this machine.
//!
//! The store, the manager and the agents are the real binary's roles, each a process of its own, and etcd is real;
//! they talk over loopback, uncapped. Time begins when etcd is told and ends for a host when it has verified and
//! flushed everything. Beside the time: what it cost (processor, memory of each process, page cache) and where the
//! bytes came from, as the hosts' and the manager's own metrics count them.

mod page_cache;
mod report;
mod run;

use bench_harness::{Bench, Estimate, Plan, Runs, Scratch};
use run::HOSTS;
use std::process::ExitCode;
use std::time::Duration;

/// The artifact's length in bytes.
const LENGTH: u64 = 10_000_000_000;
/// The same in the quick form.
const LENGTH_QUICK: u64 = 512 << 20;
/// Bytes a second that all are brought to the store and then to each host, as a rule; less is no figure but a failure.
const LIKELY_RATE: f64 = 120e6;
const LEAST_RATE: f64 = 15e6;
/// Seconds until everything is started, and ended again, as a rule and at the most.
const AROUND: f64 = 15.0;
const AROUND_MOST: f64 = 240.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "transfer-10g",
        cases: include_str!("../cases"),
        estimate: |plan, _| Ok(estimate(plan)),
    };
    bench.run(measure)
}

fn length(plan: &Plan) -> u64 {
    if plan.quick { LENGTH_QUICK } else { LENGTH }
}

/// How long the hosts may take.
fn limit(length: u64) -> Duration {
    Duration::from_secs_f64(30.0 + length as f64 / LEAST_RATE)
}

fn estimate(plan: &Plan) -> Estimate {
    let length = length(plan);
    let there_and_out = 2.0 * length as f64 / LIKELY_RATE;
    let of_one = Estimate {
        likely: Duration::from_secs_f64(AROUND + there_and_out),
        most: Duration::from_secs_f64(AROUND_MOST) + limit(length) * 2,
    };
    of_one * plan.runs_or(1)
}

async fn measure(plan: &Plan, _case: &str) -> anyhow::Result<()> {
    let length = length(plan);
    let mut ours = Runs::of("starling");
    for number in 0..plan.runs_or(1) {
        // In the store and on every host; the file that is uploaded is deleted before the hosts begin.
        let scratch = Scratch::new(length * (1 + HOSTS as u64))?;
        let run = Box::pin(run::run(scratch.path(), length, number as u64, limit(length))).await?;
        report::tell(&run, length);
        ours.runs.push(run);
    }
    report::emit(plan, length, &[ours])
}
