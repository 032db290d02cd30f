//! A real artifact of 10 GB, from a region's store to three hosts of the region, all on this machine.
//!
//! The store, the manager and the agents are the real binary's roles, each a process of its own, and etcd is real;
//! they talk over loopback, uncapped. Time begins when etcd is told and ends for a host when it has verified and
//! flushed everything. Beside the time: what it cost (processor, memory of each process, page cache) and where the
//! bytes came from, as the hosts' and the manager's own metrics count them.

mod page_cache;
mod report;

use bench_harness::{Bench, Estimate, Meter, Plan, Runs, Scratch, Spent, settle, write_content};
use bench_network::Node;
use bench_region::{Host, Region, starling};
use page_cache::page_cache_bytes;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The artifact's length in bytes.
const LENGTH: u64 = 10_000_000_000;
/// The same in the quick form.
const LENGTH_QUICK: u64 = 512 << 20;
const HOSTS: usize = 3;
/// Bytes a second that all are brought to the store and then to each host, as a rule; less is no figure but a failure.
const LIKELY_RATE: f64 = 120e6;
const LEAST_RATE: f64 = 15e6;
/// Seconds until everything is started, and ended again, as a rule and at the most.
const AROUND: f64 = 15.0;
const AROUND_MOST: f64 = 240.0;

/// What one run came to.
#[derive(Debug)]
struct Run {
    /// From the order until a host had everything, for each.
    seconds: Vec<f64>,
    spent: Spent,
    /// How much more of files the system kept in memory at the end than at the beginning, in bytes.
    page_cache_growth: f64,
    /// Verified bytes of all hosts by where they came from, in the order of [`SOURCES`].
    bytes: [f64; 3],
    /// Bytes that the manager read of the store.
    manager_read: f64,
}

/// Sources of bytes, as the metrics name them.
const SOURCES: [&str; 3] = ["store", "seed", "peer"];

fn main() -> ExitCode {
    let bench = Bench {
        name: "transfer-10g",
        cases: include_str!("../cases"),
        estimate: |plan, _| Ok(estimate(plan)),
    };
    bench.run(measure)
}

fn length(plan: &Plan) -> u64 {
    if plan.quick { LENGTH_QUICK } else { LENGTH }
}

/// How long the hosts may take.
fn limit(length: u64) -> Duration {
    Duration::from_secs_f64(30.0 + length as f64 / LEAST_RATE)
}

fn estimate(plan: &Plan) -> Estimate {
    let length = length(plan);
    let there_and_out = 2.0 * length as f64 / LIKELY_RATE;
    let of_one = Estimate {
        likely: Duration::from_secs_f64(AROUND + there_and_out),
        most: Duration::from_secs_f64(AROUND_MOST) + limit(length) * 2,
    };
    of_one * plan.runs_or(1)
}

async fn measure(plan: &Plan, _case: &str) -> anyhow::Result<()> {
    let length = length(plan);
    let mut ours = Runs::of("starling");
    for number in 0..plan.runs_or(1) {
        // In the store and on every host; the file that is uploaded is deleted before the hosts begin.
        let scratch = Scratch::new(length * (1 + HOSTS as u64))?;
        let run = Box::pin(run(scratch.path(), length, number as u64)).await?;
        report::tell(&run, length);
        ours.runs.push(run);
    }
    report::emit(plan, length, &[ours])
}

async fn run(folder: &Path, length: u64, seed: u64) -> anyhow::Result<Run> {
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
    settle();

    let processes = region
        .seed_processes()
        .into_iter()
        .chain(hosts.iter().filter_map(Host::id));
    let mut meter = Meter::begin(processes);
    let page_cache_before = page_cache_bytes();
    region.publish(artifact).await?;
    let waited = meter.until_done(hosts.len(), limit(length), |host| {
        region.still_runs()?;
        hosts[host].has(&artifact)
    });
    let seconds = waited.await?;
    let page_cache_growth = page_cache_bytes() - page_cache_before;
    let spent = meter.end();

    let mut bytes = [0.0; SOURCES.len()];
    for host in &hosts {
        for (bytes, source) in bytes.iter_mut().zip(SOURCES) {
            let metric = format!("starling_swarm_received_bytes_total{{source=\"{source}\"}}");
            *bytes += host.metric(&metric, &[]).await?;
        }
    }
    let manager_read = region
        .manager_metric("starling_region_store_bytes_total", &[])
        .await?;
    region.end(hosts).await?;
    Ok(Run {
        seconds,
        spent,
        page_cache_growth,
        bytes,
        manager_read,
    })
}
