//! Releases that are bad at random: never more unhealthy instances by their doing than the threshold and one batch.

use crate::fate::Bad;
use crate::fleet::Fleet;
use crate::instances;
use bench_harness::{Better, Line, Plan};
use model::{DeploymentState, RolloutPolicy, Share};
use std::time::Duration;

const BATCH: Share = Share::percent(5);
const THRESHOLD: Share = Share::percent(1);
/// A host must be healthy for so long, and one that fails late fails within half of it: what fails later is for a bake
/// to find.
const MIN_HEALTHY_SECONDS: u32 = 4;
/// How many releases.
const RELEASES: usize = 10;

fn releases(plan: &Plan) -> usize {
    if plan.quick { 3 } else { plan.runs_or(RELEASES) }
}

pub fn seconds(plan: &Plan) -> f64 {
    releases(plan) as f64 * if plan.quick { 20.0 } else { 60.0 }
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(instances(plan)).await?;
    let hosts = u64::from(fleet.hosts);
    let allowed = THRESHOLD.at_most(hosts) + BATCH.up_to(hosts);
    let (mut breaches, mut most, mut stopped) = (0, 0, 0);
    for seed in 0..releases(plan) as u64 {
        let bad = Bad::at_random(seed, Duration::from_secs(u64::from(MIN_HEALTHY_SECONDS) / 2));
        let policy = RolloutPolicy {
            batch_size: BATCH,
            failure_threshold: THRESHOLD,
            min_healthy_seconds: MIN_HEALTHY_SECONDS,
            ..RolloutPolicy::default()
        };
        let deployment = fleet.deploy_bad(policy, bad).await?;
        let ended = fleet.ended(&deployment).await?;
        let failed = fleet.truth.of(deployment.release).failed;
        eprintln!(
            "  seed {seed}: {bad:?}: {} after {failed} of {allowed} failed",
            ended.state
        );
        breaches += u32::from(failed > allowed);
        stopped += u32::from(ended.state != DeploymentState::Succeeded);
        most = most.max(failed);
    }
    let line = |metric, value| Line::new(plan.bench, case, metric, value, releases(plan));
    line("threshold_breaches", (f64::from(breaches), "releases"))
        .note(&format!(
            "of {hosts} instances at most {allowed} may ever be unhealthy by one release's doing"
        ))
        .emit()?;
    line("ever_unhealthy", (most as f64, "instances"))
        .against("threshold and a batch", allowed as f64, Better::Lower)
        .note("the worst release")
        .emit()?;
    line("stopped", (f64::from(stopped), "releases"))
        .note("the others failed on fewer hosts than the threshold")
        .emit()
}
