//! One run: a region is started, the artifact is uploaded, and three hosts fetch it.

use crate::page_cache::page_cache_bytes;
use bench_harness::{Race, settle, write_content};
use bench_network::Node;
use bench_region::{Region, starling};
use std::path::Path;
use std::time::Duration;

/// Hosts that fetch.
pub const HOSTS: usize = 3;

/// What one run came to.
#[derive(Debug)]
pub struct Run {
    /// From the order until each host had everything; of the store, the manager and the hosts.
    pub race: Race,
    /// How much more of files the system kept in memory at the end than at the beginning, in bytes.
    pub page_cache_growth: f64,
    /// Verified bytes of all hosts by where they came from, in the order of [`SOURCES`].
    pub bytes: [f64; 3],
    /// Bytes that the manager read of the store.
    pub manager_read: f64,
}

/// Sources of bytes, as the metrics name them.
pub const SOURCES: [&str; 3] = ["store", "seed", "peer"];

/// Brings so many bytes to the hosts; the same seed gives the same bytes.
pub async fn run(folder: &Path, length: u64, seed: u64, limit: Duration) -> anyhow::Result<Run> {
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

    let page_cache_before = page_cache_bytes();
    let race = region.race(&mut hosts, artifact, limit).await?;
    let page_cache_growth = page_cache_bytes() - page_cache_before;

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
        race,
        page_cache_growth,
        bytes,
        manager_read,
    })
}
