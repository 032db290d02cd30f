//! One run of one side: how many jobs a second are done.

use crate::side::{Load, Side};
use anyhow::ensure;
use bench_harness::Plan;
use bench_postgres::Server;
use std::time::{Duration, Instant};

/// Jobs that wait at the beginning, more than anybody does in the time, as far as that can be known.
const JOBS: u32 = 60_000;
const JOBS_BATCHED: u32 = 300_000;
/// How long the first job may take, its program's start included.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What is done at first is done while everything is still being opened.
const WARM_UP: Duration = Duration::from_secs(1);
/// How often is looked, and what is too short to say anything.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LEAST_WINDOW: Duration = Duration::from_secs(1);

/// How long is counted.
pub const fn window(plan: &Plan) -> Duration {
    Duration::from_secs(if plan.quick { 2 } else { 6 })
}

/// Jobs a second.
pub async fn run(side: Side, load: Load, window: Duration) -> anyhow::Result<f64> {
    let server = Server::start().await?;
    let jobs = if load.batch > 1 { JOBS_BATCHED } else { JOBS };
    side.prepare(&server, jobs).await?;
    let mut workers = side.work(&server, load)?;
    let begun = Instant::now();
    while server.number(side.left()).await? >= f64::from(jobs) {
        ensure!(
            begun.elapsed() < START_LIMIT,
            "it did no job in {} s",
            START_LIMIT.as_secs()
        );
        workers.still_runs()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(WARM_UP).await;
    let (from, first) = (Instant::now(), server.number(side.left()).await?);
    // Where the jobs run out, what counts is the last look before that.
    let (mut left, mut took) = (first, Duration::ZERO);
    while took < window {
        tokio::time::sleep(LOOK_EVERY).await;
        let now_left = server.number(side.left()).await?;
        if now_left < 1.0 {
            break;
        }
        (left, took) = (now_left, from.elapsed());
    }
    ensure!(
        took >= LEAST_WINDOW,
        "{jobs} jobs were too few for {:.1} s",
        LEAST_WINDOW.as_secs_f64()
    );
    let rate = (first - left) / took.as_secs_f64();
    eprintln!("  {side}: {rate:.0} jobs/s");
    Ok(rate)
}
