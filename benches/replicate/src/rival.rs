//! The other side: an rclone for each region, all at once.

use crate::side::Outcome;
use crate::stage::Stage;
use bench_harness::{MB, Meter};
use bench_stores::{Runner, StoreServer, Tool, bytes_read};
use futures::future::try_join_all;
use std::time::Duration;

/// Copies the object to new stores.
pub async fn run(stage: &Stage, limit: Duration) -> anyhow::Result<Outcome> {
    let regions = stage.regions().await?;
    let stores = [&stage.main].into_iter().chain(&regions);
    let stores = stores
        .map(StoreServer::id)
        .collect::<anyhow::Result<Vec<u32>>>()?;
    let log = stage.path().join("rclone.log");
    let runner = Runner { log: &log, limit };

    let read_before = bytes_read(stage.main.id()?)?;
    let meter = Meter::begin(stores);
    let mut copies = Vec::new();
    for region in &regions {
        let command = Tool::rclone_between(&stage.main, region, &stage.key())?;
        copies.push(runner.run(command, []));
    }
    let copies = try_join_all(copies).await?;
    let spent = meter.end();
    let read_of_main = bytes_read(stage.main.id()?)? - read_before;

    stage.check(regions, true).await?;
    let of_copies = copies.iter().map(|spent| spent.cpu_seconds).sum::<f64>();
    let outcome = Outcome {
        seconds: spent.seconds,
        cpu_seconds: spent.cpu_seconds + of_copies,
        peak_rss_bytes: copies.iter().flat_map(|spent| &spent.peak_rss_bytes).sum(),
        read_of_main,
    };
    eprintln!(
        "  rclone     {:.2} s, {:.0} MB of memory, {:.0} MB read of the main store",
        outcome.seconds,
        outcome.peak_rss_bytes as f64 / MB,
        outcome.read_of_main as f64 / MB
    );
    Ok(outcome)
}
