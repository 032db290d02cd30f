//! A real artifact of 10 GB, from a region's store to three hosts of the region, all on this machine.
//!
//! The store, the manager and the agents are the real binary's roles, each a process of its own, and etcd is real;
//! they talk over loopback, uncapped. Time begins when etcd is told and ends for a host when it has verified and
//! flushed everything. Beside the time: what it cost (processor, memory of each process, page cache) and where the
//! bytes came from, as the hosts' and the manager's own metrics count them.

mod cost;
mod disk;
mod report;

use anyhow::bail;
use bench_harness::{Plan, write_content};
use bench_network::Node;
use bench_region::{Host, Region, starling};
use cost::{Cost, Spent};
use model::ArtifactId;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The artifact's length in bytes.
const LENGTH: u64 = 10_000_000_000;
/// The same in the quick form.
const LENGTH_QUICK: u64 = 512 << 20;
const HOSTS: usize = 3;
/// How long the hosts may take: 3 MB/s each are a failure, not a figure.
const LIMIT: Duration = Duration::from_secs(3_600);
/// How often the hosts are looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// What one run came to.
#[derive(Debug)]
struct Run {
    /// From the order until a host had everything, for each.
    seconds: Vec<f64>,
    spent: Spent,
    /// Verified bytes of all hosts by where they came from, in the order of [`SOURCES`].
    bytes: [f64; 3],
    /// Bytes that the manager read of the store.
    manager_read: f64,
}

/// Sources of bytes, as the metrics name them.
const SOURCES: [&str; 3] = ["store", "seed", "peer"];

fn main() -> ExitCode {
    bench_harness::run("transfer-10g", include_str!("../cases"), |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            tokio::select! {
                result = Box::pin(run_all(plan)) => result,
                _ = tokio::signal::ctrl_c() => bail!("interrupted; everything that was started is ended"),
            }
        })
    })
}

async fn run_all(plan: &Plan) -> anyhow::Result<()> {
    let length = if plan.quick { LENGTH_QUICK } else { LENGTH };
    let mut runs = Vec::new();
    for number in 0..plan.runs_or(1) {
        let folder = tempfile::Builder::new().prefix("starling-bench-").tempdir()?;
        disk::check_room(folder.path(), length, HOSTS)?;
        let run = Box::pin(measure(folder.path(), length, number as u64)).await?;
        report::tell(&run, length);
        runs.push(run);
    }
    report::emit(plan, length, &runs)
}

async fn measure(folder: &Path, length: u64, seed: u64) -> anyhow::Result<Run> {
    let mut region = Region::start(&starling()?, folder, &Node::loopback("seed")).await?;
    let content = folder.join("content");
    write_content(&content, length, seed)?;
    let artifact = Box::pin(region.upload(&content)).await?;
    // The store has it, and the disk may not have room for another.
    fs_err::remove_file(&content)?;
    let mut hosts = Vec::new();
    for number in 1..=HOSTS {
        hosts.push(region.host(&Node::loopback(&format!("host-{number}"))).await?);
    }
    region.gathered(HOSTS).await?;
    disk::settle();

    let processes = region
        .seed_processes()
        .into_iter()
        .chain(hosts.iter().filter_map(Host::id));
    let cost = Cost::begin(processes.collect());
    let began = Instant::now();
    region.publish(artifact).await?;
    let seconds = all_have(&hosts, &artifact, began).await?;
    let spent = cost.end();

    let mut bytes = [0.0; SOURCES.len()];
    for host in &hosts {
        for (bytes, source) in bytes.iter_mut().zip(SOURCES) {
            let metric = format!("starling_swarm_received_bytes_total{{source=\"{source}\"}}");
            *bytes += host.metric(&metric, &[]).await?;
        }
    }
    Ok(Run {
        seconds,
        spent,
        bytes,
        manager_read: region
            .manager_metric("starling_region_store_bytes_total", &[])
            .await?,
    })
}

/// Waits until every host has the artifact; when each did, in seconds.
async fn all_have(hosts: &[Host], artifact: &ArtifactId, began: Instant) -> anyhow::Result<Vec<f64>> {
    let mut seconds: Vec<Option<f64>> = vec![None; hosts.len()];
    while seconds.iter().any(Option::is_none) {
        if began.elapsed() > LIMIT {
            bail!("a host had not everything after {} s", LIMIT.as_secs());
        }
        for (host, seconds) in hosts
            .iter()
            .zip(&mut seconds)
            .filter(|(_, seconds)| seconds.is_none())
        {
            if host.has(artifact)? {
                *seconds = Some(began.elapsed().as_secs_f64());
            }
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
    Ok(seconds.into_iter().flatten().collect())
}
