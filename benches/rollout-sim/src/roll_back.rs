//! How long until everybody is told to go back.

use crate::fleet::{Fleet, all_at_once};
use anyhow::ensure;
use bench_harness::{Better, Line, Plan, median};
use model::DeploymentState;
use std::time::{Duration, Instant};

const INSTANCES: u32 = 10_000;
const RUNS: usize = 5;
const ASK_PERIOD: Duration = Duration::from_millis(5);
/// After this long it is no rollback within a second, whatever the machine.
const LIMIT: Duration = Duration::from_secs(120);

pub fn seconds(plan: &Plan) -> f64 {
    runs(plan) as f64 * 12.0
}

fn runs(plan: &Plan) -> usize {
    plan.runs_or(RUNS)
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(INSTANCES).await?;
    let (mut told, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..runs(plan) {
        let deployment = fleet.deploy(all_at_once()).await?;
        fleet.ends(&deployment, DeploymentState::Succeeded).await?;
        let from = Instant::now();
        let back = fleet.roll_back().await?;
        while fleet.truth.of(back.release).told < u64::from(INSTANCES) {
            fleet.still_plays()?;
            ensure!(from.elapsed() < LIMIT, "not everybody was told in time");
            tokio::time::sleep(ASK_PERIOD).await;
        }
        let last = fleet.truth.of(back.release).last_told.unwrap_or(from);
        told.push(last.duration_since(from).as_secs_f64());
        fleet.ends(&back, DeploymentState::Succeeded).await?;
        ended.push(from.elapsed().as_secs_f64());
    }
    let line = |metric, value| Line::new(plan.bench, case, metric, value, told.len());
    line("told_s", (median(&told), "s"))
        .against("asked for", 1.0, Better::Lower)
        .note(&format!(
            "from the call until the last of {INSTANCES} had its order at its manager"
        ))
        .emit()?;
    line("converged_s", (median(&ended), "s"))
        .note("a process starts within 1.5 s")
        .emit()
}
