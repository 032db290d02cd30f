//! A service's next release takes over from the last under load; and what the proxy costs that makes it so.
//!
//! Each of these is a process of its own, played by this program: two tasks that say which release they run, the proxy
//! (the same library that `starling proxy` runs), whoever steers it, and the load. In the cases `swaps-…` the load is
//! open-loop (a request is sent when it is due, and its time counts from then, whatever became of earlier ones) and
//! repeats nothing, but for what HTTP/2 says was not processed, which `sent_again` counts; meanwhile the steering process swaps releases without pause and is killed with SIGKILL every few
//! seconds, and a new proxy takes over from the old one. `failed` counts every request without a whole answer of 200.
//!
//! In the case `agent` nothing is played but the load and the tasks: a region runs, of the shipped roles, and its host's
//! agent swaps releases as etcd orders them, is killed with SIGKILL at another moment of a cut-over every time, and goes on.
//!
//! In the cases beside other proxies all have one thread and stand in front of the same task. Their cost is what counts
//! on a machine whose two processors also run the load: processor time a request, of the proxy's process alone.

mod agents;
mod beside;
mod load;
mod processes;
mod report;
mod side;
mod steer;
mod swaps;
mod task;

use bench_harness::{Bench, Estimate, Plan};
use std::process::ExitCode;
use std::time::Duration;

/// Runs of each side beside each other.
const RUNS: usize = 5;
/// How long one run of one side takes, in the usual form and the quick one.
const RUN_SECONDS: u64 = 6;
const RUN_SECONDS_QUICK: u64 = 1;

fn main() -> ExitCode {
    let bench = Bench {
        name: "cutover",
        cases: include_str!("../cases"),
        estimate: |plan, case| Ok(estimate(plan, case)),
    };
    match processes::part() {
        Some((part, arguments)) => play(&part, &arguments),
        None => bench.run(measure),
    }
}

fn play(part: &str, arguments: &[String]) -> ExitCode {
    let played = match part {
        "task" => task::play(arguments),
        "proxy" => side::play(arguments),
        "steer" => steer::play(arguments),
        "load" => load::play(arguments),
        other => Err(anyhow::anyhow!("there is no part {other}")),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {part}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn seconds(plan: &Plan) -> u64 {
    if plan.quick {
        RUN_SECONDS_QUICK
    } else {
        RUN_SECONDS
    }
}

fn estimate(plan: &Plan, case: &str) -> Estimate {
    let likely = if case.starts_with("swaps") {
        Duration::from_secs(swaps::Size::of(plan).seconds() + 5)
    } else if case == "agent" {
        Duration::from_secs(agents::seconds(plan) + 20)
    } else {
        let of_one = Duration::from_secs(seconds(plan) + 1);
        of_one * u32::try_from(plan.runs_or(RUNS) * side::Side::ALL.len()).unwrap_or(u32::MAX)
    };
    Estimate {
        likely,
        most: likely * 3 + Duration::from_secs(60),
    }
}

async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    match case {
        "swaps-http1" => swaps::measure(plan, case, load::Protocol::Http1).await,
        "agent" => Box::pin(agents::measure(plan, case)).await,
        "swaps-http2" => swaps::measure(plan, case, load::Protocol::Http2).await,
        "latency" => beside::measure(plan, case, beside::Pace::Steady).await,
        _ => beside::measure(plan, case, beside::Pace::Full).await,
    }
}
