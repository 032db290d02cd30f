//! What a proxy costs and adds, beside others.

use crate::load::{Load, Protocol};
use crate::processes::{listens, start};
use crate::report;
use crate::side::Side;
use crate::{RUNS, seconds};
use bench_harness::{Meter, Plan, Scratch, in_turn};
use local_services::free_port;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

/// How many connections send as fast as they are answered.
const CLIENTS: u32 = 64;
/// Requests a second of the steady load, which leaves every side mostly idle.
const STEADY_RATE: u32 = 1_000;
const STEADY_CLIENTS: u32 = 16;

/// How fast the load sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it is answered.
    Full,
    /// At a steady rate.
    Steady,
}

/// What one run of one side showed.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub requests_per_second: f64,
    /// Of the proxy alone; 0 without one.
    pub cpu_us_a_request: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub failed: u64,
}

pub async fn measure(plan: &Plan, case: &str, pace: Pace) -> anyhow::Result<()> {
    let scratch = Scratch::new(0)?;
    let folder = scratch.path();
    let task = free_port()?;
    let mut child = start(folder, "task", &[task.to_string()])?;
    listens(&mut child, task).await?;
    let times = |_: &Side, _: &[Outcome]| plan.runs_or(RUNS);
    let sides = in_turn(Side::ALL.to_vec(), times, async |side| {
        run(*side, folder, task, pace, seconds(plan)).await
    })
    .await;
    child.kill().await?;
    match pace {
        Pace::Full => report::throughput(plan, case, &sides),
        Pace::Steady => report::latency(plan, case, &sides),
    }
}

async fn run(side: Side, folder: &Path, task: u16, pace: Pace, seconds: u64) -> anyhow::Result<Outcome> {
    let running = side.start(folder, task).await?;
    let load = match pace {
        Pace::Full => Load {
            port: running.port,
            protocol: Protocol::Http1,
            clients: CLIENTS,
            rate: 0,
            seconds,
        },
        Pace::Steady => Load {
            port: running.port,
            protocol: Protocol::Http1,
            clients: STEADY_CLIENTS,
            rate: STEADY_RATE,
            seconds,
        },
    };
    let process = running.child.as_ref().and_then(|child| child.id());
    let meter = Meter::begin(process);
    let summary = load.run(folder).await?;
    let spent = meter.end();
    if let Some(child) = running.child {
        child.stop(Signal::TERM, Duration::from_secs(2)).await?;
    }
    anyhow::ensure!(
        summary.total > summary.failed,
        "nothing was answered: {:?}",
        summary.reasons
    );
    let outcome = Outcome {
        requests_per_second: summary.rate,
        cpu_us_a_request: spent.cpu_seconds * 1e6 / summary.total as f64,
        p50_ms: summary.p50_ms,
        p99_ms: summary.p99_ms,
        failed: summary.failed,
    };
    eprintln!(
        "  {:<9} {:>7.0} requests/s, {:>5.2} µs of processor time each, p50 {:.3} ms, p99 {:.3} ms, machine {:.0}% busy",
        side.to_string(),
        outcome.requests_per_second,
        outcome.cpu_us_a_request,
        outcome.p50_ms,
        outcome.p99_ms,
        spent.busy * 100.0
    );
    Ok(outcome)
}
