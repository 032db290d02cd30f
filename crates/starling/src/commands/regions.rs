//! `starling regions`.

use super::Session;
use crate::output::{seconds, table};
use console::wire::{Region, RegionList, ReplicationTimes};
use std::process::ExitCode;

pub async fn list(session: &Session) -> anyhow::Result<ExitCode> {
    let list: RegionList = session.api.get("/v1/regions").await?;
    session.form.print(&list, |list| regions_table(&list.regions))?;
    Ok(ExitCode::SUCCESS)
}

/// Hosts, and how long copies took of the last 24 hours.
fn regions_table(regions: &[Region]) -> String {
    let rows = regions.iter().map(|region| {
        let time = |of: fn(&ReplicationTimes) -> f64| {
            let times = region.replication.as_ref();
            times.map_or_else(String::new, |times| seconds(of(times)))
        };
        let within = region.replication.as_ref().map_or_else(String::new, |times| {
            let (percent, promise) = (times.within_promise * 100.0, seconds(times.promise_seconds));
            format!("{percent:.1}% of {} within {promise}", times.replicas)
        });
        let summary = &region.summary;
        let hosts = match (summary.hosts_alive, summary.silent) {
            (None, _) => "unknown".to_owned(),
            (Some(hosts), false) => hosts.to_string(),
            (Some(hosts), true) => format!("{hosts}, silent now"),
        };
        [
            summary.name.to_string(),
            hosts,
            time(|times| times.p50_seconds),
            time(|times| times.p90_seconds),
            time(|times| times.p99_seconds),
            time(|times| times.max_seconds),
            within,
        ]
    });
    table(
        [
            "REGION",
            "HOSTS",
            "P50",
            "P90",
            "P99",
            "LONGEST",
            "COPIES OF THE LAST DAY",
        ],
        rows,
    )
}
