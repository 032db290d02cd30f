//! What the build fleet adds to a build: how long one waits while nothing else is to be done, and what a thousand tiny
//! ones take from the first enqueue to the last end, beside the same command run by hand.
//!
//! A whole `starling dev` runs, with real Postgres, store and sandbox, and is asked over its API. When a build was
//! enqueued, claimed and ended is what the database's clock says.

mod system;

use anyhow::{Context as _, ensure};
use bench_harness::{Better, Estimate, Line, Plan};
use futures::{StreamExt as _, TryStreamExt as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use system::{Build, System};
use tokio::process::Command;

/// Builds of each case, and in the quick form.
const IDLE: usize = 200;
const IDLE_QUICK: usize = 20;
const TINY: usize = 1_000;
const TINY_QUICK: usize = 100;
/// Workers, and commands at a time by hand.
const WORKERS: usize = 4;
/// Requests at a time.
const ASKING: usize = 8;
/// What a tiny build does.
const COMMAND: &str = "mkdir -p out && date +%s%N > out/made";

fn main() -> ExitCode {
    let bench = bench_harness::Bench {
        name: "build",
        cases: include_str!("../cases"),
        estimate: |plan, case| Ok(estimate(plan, case)),
    };
    bench.run(async |plan, case| match case {
        "start-idle" => Box::pin(idle(plan, case)).await,
        _ => Box::pin(tiny(plan, case)).await,
    })
}

fn builds(plan: &Plan, case: &str) -> usize {
    match (case, plan.quick) {
        ("start-idle", false) => IDLE,
        ("start-idle", true) => IDLE_QUICK,
        (_, false) => TINY,
        (_, true) => TINY_QUICK,
    }
}

fn estimate(plan: &Plan, case: &str) -> Estimate {
    let builds = builds(plan, case) as f64;
    Estimate {
        likely: Duration::from_secs_f64(15.0 + 0.25 * builds),
        most: Duration::from_secs_f64(120.0 + 2.0 * builds),
    }
}

/// The value below which so large a part of the sorted values lies.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

fn milliseconds(of: &[Build], span: impl Fn(&Build) -> Option<f64>) -> anyhow::Result<Vec<f64>> {
    let spans: Option<Vec<f64>> = of.iter().map(span).collect();
    let mut spans = spans.context("a build has no end")?;
    spans.sort_unstable_by(f64::total_cmp);
    Ok(spans)
}

async fn idle(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let system = System::start(WORKERS, COMMAND).await?;
    let mut builds = Vec::new();
    for _ in 0..self::builds(plan, case) {
        let id = system.enqueue().await?;
        builds.push(system.ended(&id).await?);
    }
    let waits = milliseconds(&builds, Build::waited_ms)?;
    let line = |metric, value| Line::new(plan.bench, case, metric, (value, "ms"), builds.len());
    line("enqueue_to_start_p50_ms", percentile(&waits, 0.5)).emit()?;
    line("enqueue_to_start_p99_ms", percentile(&waits, 0.99)).emit()?;
    let whole = milliseconds(&builds, Build::took_ms)?;
    line("enqueue_to_end_p50_ms", percentile(&whole, 0.5)).emit()?;
    system.stop().await
}

async fn tiny(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let count = builds(plan, case);
    let by_hand = by_hand(count).await?;
    let system = System::start(WORKERS, COMMAND).await?;
    let begun = Instant::now();
    let ids: Vec<String> = futures::stream::iter(0..count)
        .map(|_| system.enqueue())
        .buffer_unordered(ASKING)
        .try_collect()
        .await?;
    let asked = begun.elapsed().as_secs_f64();
    let mut builds = Vec::new();
    for id in &ids {
        builds.push(system.ended(id).await?);
    }
    let took = begun.elapsed().as_secs_f64();
    let runs = milliseconds(&builds, Build::ran_ms)?;
    let line = |metric, value| Line::new(plan.bench, case, metric, value, 1);
    line("builds_per_s", (count as f64 / took, "1/s"))
        .against("by hand", count as f64 / by_hand, Better::Higher)
        .note("by hand: the command alone, no checkout, sandbox, log or upload")
        .emit()?;
    line(
        "overhead_ms_per_build",
        ((took - by_hand) / count as f64 * 1e3, "ms"),
    )
    .emit()?;
    line("claim_to_end_p50_ms", (percentile(&runs, 0.5), "ms")).emit()?;
    line("enqueues_per_s", (count as f64 / asked, "1/s")).emit()?;
    system.stop().await
}

/// Seconds that the command takes so many times, as many at a time as there are workers.
async fn by_hand(count: usize) -> anyhow::Result<f64> {
    let scratch = bench_harness::Scratch::new(100_000_000)?;
    let begun = Instant::now();
    futures::stream::iter(0..count)
        .map(async |number| {
            let folder = scratch.path().join(number.to_string());
            fs_err::create_dir(&folder)?;
            let status = Command::new("sh")
                .args(["-c", COMMAND])
                .current_dir(&folder)
                .status()
                .await?;
            ensure!(status.success(), "the command failed by hand");
            Ok(())
        })
        .buffer_unordered(WORKERS)
        .try_collect::<()>()
        .await?;
    Ok(begun.elapsed().as_secs_f64())
}
