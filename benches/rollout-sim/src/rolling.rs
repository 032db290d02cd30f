//! A good release by batches of 5%: what its steps cost the control plane.

use crate::costs::{Controller, Counters};
use crate::fleet::Fleet;
use crate::instances;
use crate::stage::REGIONS;
use bench_harness::{Better, Line, MB, Plan};
use model::{DeploymentState, RolloutPolicy, Share};
use std::time::Instant;

const BATCH: Share = Share::percent(5);
/// The least number of steps: each batch by itself.
const BATCHES: f64 = 20.0;

pub fn seconds(plan: &Plan) -> f64 {
    if plan.quick { 40.0 } else { 180.0 }
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(instances(plan)).await?;
    let before = Counters::now(&fleet.stage).await?;
    let (from, controller) = (Instant::now(), Controller::watch(&fleet.stage)?);
    let policy = RolloutPolicy {
        batch_size: BATCH,
        ..RolloutPolicy::default()
    };
    let deployment = fleet.deploy(policy).await?;
    fleet.ends(&deployment, DeploymentState::Succeeded).await?;
    let (seconds, controller) = (from.elapsed().as_secs_f64(), controller.end());
    let cost = Counters::now(&fleet.stage).await? - before;
    let line = |metric, value| Line::new(plan.bench, case, metric, value, 1);
    let hosts = f64::from(fleet.hosts);
    line("seconds", (seconds, "s"))
        .note(&format!(
            "{hosts} instances in {REGIONS} regions, staging included"
        ))
        .emit()?;
    line("steps", (cost.steps, "steps"))
        .note(&format!(
            "{BATCHES} batches; a window that slides moves in smaller steps"
        ))
        .emit()?;
    line("look_ms", (1e3 * cost.looking_s / cost.looks, "ms"))
        .note("one look of the driver at the fleet, with what it then writes")
        .emit()?;
    line(
        "control_plane_ms_a_step",
        (1e3 * cost.looking_s / cost.steps, "ms"),
    )
    .note("all looks of the rollout, those that find nothing to do included")
    .emit()?;
    line(
        "controller_cpu_ms_a_step",
        (1e3 * controller.cpu_seconds / cost.steps, "ms"),
    )
    .emit()?;
    line("postgres_share_of_one_core", (cost.postgres_s / seconds, "share"))
        .note("what hosts say included")
        .emit()?;
    line("own_rows_a_step", (cost.own_rows / cost.steps, "rows"))
        .note("beside what hosts say")
        .emit()?;
    line("host_rows_an_instance", (cost.host_rows / hosts, "rows")).emit()?;
    line(
        "etcd_puts_a_step_and_region",
        (cost.etcd_puts / cost.steps / f64::from(REGIONS), "writes"),
    )
    .against("one", 1.0, Better::Lower)
    .emit()?;
    let peak = controller.peak_rss_bytes.first().copied().unwrap_or_default();
    line("controller_peak_mb", (peak as f64 / MB, "MB")).emit()
}
