//! `starling workers`.

use super::Session;
use crate::output::{seconds, table};
use console::wire::{Demand, Worker, WorkerList};
use std::process::ExitCode;

pub async fn list(session: &Session) -> anyhow::Result<ExitCode> {
    let list: WorkerList = session.api.get("/v1/workers").await?;
    session.form.print(&list, |list| {
        format!(
            "{}\n\n{}",
            workers_table(&list.workers),
            demand_text(&list.demand)
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn workers_table(workers: &[Worker]) -> String {
    let rows = workers.iter().map(|worker| {
        let running: Vec<String> = worker
            .running
            .iter()
            .map(|build| {
                let phase = build.phase.map(|phase| format!(" {phase}")).unwrap_or_default();
                format!(
                    "{} {}{phase} {}",
                    build.id,
                    build.target,
                    seconds(build.running_seconds)
                )
            })
            .collect();
        [
            worker.name.to_string(),
            worker.host.clone(),
            worker.version.clone(),
            format!("{} of {}", worker.running.len(), worker.capacity),
            format!("{} ago", seconds(worker.silent_seconds)),
            running.join("\n"),
        ]
    });
    table(["WORKER", "HOST", "VERSION", "BUSY", "HEARD OF", "RUNS"], rows)
}

fn demand_text(demand: &Demand) -> String {
    let oldest = demand
        .oldest_wait_seconds
        .map(|wait| format!(", the oldest for {}", seconds(wait)))
        .unwrap_or_default();
    format!(
        "{} builds wait, {} of them for a worker{oldest}; {} run in {} slots of {} workers",
        demand.queued, demand.ready, demand.running, demand.slots, demand.workers
    )
}
