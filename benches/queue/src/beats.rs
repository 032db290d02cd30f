//! What ten thousand workers' heartbeats cost the database.

use crate::side::Side;
use bench_harness::{Better, Line, Plan};
use bench_postgres::{Server, cpu_seconds};
use std::time::{Duration, Instant};
use tokio::process::Command;

const WORKERS: u32 = 10_000;
const EVERY_SECONDS: u32 = 10;
/// How long is measured, after every worker has been heard of once.
pub const fn window(plan: &Plan) -> Duration {
    Duration::from_secs(if plan.quick { 20 } else { 60 })
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let server = Server::start().await?;
    Side::Ours.prepare(&server, 1).await?;
    let _beating = Command::new(std::env::current_exe()?)
        .args([crate::part::FLAG, "beat", server.url()])
        .args([WORKERS.to_string(), EVERY_SECONDS.to_string()])
        .kill_on_drop(true)
        .spawn()?;
    tokio::time::sleep(Duration::from_secs(u64::from(EVERY_SECONDS) + 2)).await;
    let (from, cpu) = (Instant::now(), cpu_seconds(server.id()?)?);
    let before = beats(&server).await?;
    tokio::time::sleep(window(plan)).await;
    let after = beats(&server).await?;
    let seconds = from.elapsed().as_secs_f64();
    let share = (cpu_seconds(server.id()?)? - cpu) / seconds;
    let (all, hot) = (after.0 - before.0, after.1 - before.1);
    let line = |metric, value| Line::new(plan.bench, case, metric, value, 1);
    line("beats_per_s", (all / seconds, "1/s"))
        .against("asked for", f64::from(WORKERS / EVERY_SECONDS), Better::Higher)
        .emit()?;
    line("share_of_one_core", (share, "share"))
        .note("of the server and all its backends")
        .emit()?;
    line("hot_update_share", (hot / all, "share"))
        .against("goal", 0.99, Better::Higher)
        .emit()
}

/// Updates of heartbeats, and those that wrote no index, since the server's start.
async fn beats(server: &Server) -> anyhow::Result<(f64, f64)> {
    // Backends tell of what they did once a second at the most.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let of = |column: &str| format!("SELECT {column} FROM pg_stat_user_tables WHERE relname = 'heartbeats'");
    let all = server.number(&of("n_tup_upd")).await?;
    Ok((all, server.number(&of("n_tup_hot_upd")).await?))
}
