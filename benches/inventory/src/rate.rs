//! As many heartbeats as Postgres takes, one by one and together.

use crate::instances::{INSTANCES, beat, registered};
use anyhow::ensure;
use bench_harness::{Better, Plan, Report, in_turn};
use bench_postgres::cpu_seconds;
use database::Builds;
use database::builds::Heard;
use model::InstanceHealth;
use std::fmt;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Runs of each side.
const RUNS: usize = 3;
/// Who write at once, as many as a role has connections.
const WRITERS: u32 = 8;
/// Heartbeats of one statement.
const TOGETHER: u32 = 1_024;

/// How heartbeats are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Together,
    OneByOne,
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Together => "together",
            Self::OneByOne => "row by row",
        })
    }
}

struct Run {
    rate: f64,
    cpu_us: f64,
}

const fn window(plan: &Plan) -> Duration {
    Duration::from_secs(if plan.quick { 4 } else { 10 })
}

pub fn seconds(plan: &Plan) -> f64 {
    (window(plan).as_secs_f64() + 8.0) * 2.0 * plan.runs_or(RUNS) as f64
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let times = |_: &Side, _: &[Run]| plan.runs_or(RUNS);
    let window = window(plan);
    let sides = in_turn(vec![Side::Together, Side::OneByOne], times, async |side| {
        run(*side, window).await
    })
    .await;
    let report =
        Report::new(plan, case, &sides)?.note("100,000 instances, fsync on, every heartbeat written");
    report.beside("heartbeats_per_s", "1/s", Better::Higher, |run| run.rate)?;
    report.beside("server_cpu_us_a_heartbeat", "us", Better::Lower, |run| run.cpu_us)
}

async fn run(side: Side, window: Duration) -> anyhow::Result<Run> {
    let (server, builds) = registered().await?;
    let (from, cpu) = (Instant::now(), cpu_seconds(server.id()?)?);
    let until = from + window;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(builds.clone(), side, writer, until));
    }
    let mut written = 0_u64;
    while let Some(count) = writers.join_next().await {
        written += count??;
    }
    let seconds = from.elapsed().as_secs_f64();
    let cpu = cpu_seconds(server.id()?)? - cpu;
    ensure!(written > 0, "nothing was written");
    Ok(Run {
        rate: written as f64 / seconds,
        cpu_us: cpu * 1e6 / written as f64,
    })
}

/// Writes for the instances of one writer, round after round; how many heartbeats.
async fn write(builds: Builds, side: Side, writer: u32, until: Instant) -> anyhow::Result<u64> {
    let share = INSTANCES / WRITERS;
    let size = match side {
        Side::OneByOne => 1,
        Side::Together => TOGETHER,
    };
    let mut written = 0;
    for sequence in 1.. {
        for first in (0..share).step_by(size as usize) {
            let numbers = first..share.min(first + size);
            let beats =
                numbers.map(|number| beat(writer * share + number, sequence, InstanceHealth::Healthy));
            let beats = beats.collect::<anyhow::Result<Vec<_>>>()?;
            let heard = builds.write_heartbeats(&beats).await?;
            ensure!(
                heard.iter().all(|heard| matches!(heard, Heard::Newest(_))),
                "one was not written"
            );
            written += heard.len() as u64;
            if Instant::now() >= until {
                return Ok(written);
            }
        }
    }
    Ok(written)
}
