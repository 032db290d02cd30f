//! What a transaction that somebody holds open does to the queue: nothing that was deleted since can be swept.

use crate::side::{Load, Side};
use bench_harness::{Better, Line, Plan};
use bench_postgres::Server;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Builds asked for in a second.
const RATE: u32 = 800;
/// Who works on them.
const LOAD: Load = Load {
    workers: 16,
    batch: 1,
};
/// What is done in the database.
const DONE: &str = "SELECT count(*) FROM results";

/// How long the transaction is held, and as long is measured without one.
pub const fn window(plan: &Plan) -> Duration {
    Duration::from_secs(if plan.quick { 15 } else { 120 })
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let free = jobs_per_s(plan, false).await?;
    let held = jobs_per_s(plan, true).await?;
    Line::new(plan.bench, case, "jobs_per_s", (held, "1/s"), 1)
        .against("without it", free, Better::Higher)
        .note("800 asked for, in the last quarter of the time")
        .emit()?;
    Line::new(
        plan.bench,
        case,
        "held_transaction_share",
        (held / free, "share"),
        1,
    )
    .against("goal", 0.95, Better::Higher)
    .emit()
}

/// Jobs a second that are done in the last quarter of the window.
async fn jobs_per_s(plan: &Plan, held: bool) -> anyhow::Result<f64> {
    let server = Server::start().await?;
    Side::Ours.prepare(&server, 1).await?;
    let window = window(plan);
    let mut holding = None;
    if held {
        let seconds = window.as_secs() + 60;
        let hold = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM queue; SELECT pg_sleep({seconds}); COMMIT"
        );
        holding = Some(server.psql(&hold).stdout(Stdio::null()).spawn()?);
    }
    let _workers = Side::Ours.work(&server, LOAD)?;
    let _asking = Command::new(std::env::current_exe()?)
        .args([crate::part::FLAG, "ask", server.url(), &RATE.to_string()])
        .kill_on_drop(true)
        .spawn()?;
    tokio::time::sleep(window * 3 / 4).await;
    let (from, first) = (Instant::now(), server.number(DONE).await?);
    tokio::time::sleep(window / 4).await;
    let rate = (server.number(DONE).await? - first) / from.elapsed().as_secs_f64();
    drop(holding);
    eprintln!("  {}: {rate:.0} jobs/s", if held { "held" } else { "free" });
    Ok(rate)
}
