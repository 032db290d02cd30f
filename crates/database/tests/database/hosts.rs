//! Hosts, as their region's leader speaks of them.

use crate::support::{TestBuilds, region};
use model::region_report::{HostFacts, RegionReport};

/// The leader of `east` says of hosts: name, labels, whether it hears them.
pub async fn told(builds: &TestBuilds, hosts: &[(&str, &str, bool)]) {
    let hosts = hosts.iter().map(|(host, said, alive)| HostFacts {
        host: host.parse().unwrap(),
        zone: "east-a".parse().unwrap(),
        labels: serde_json::from_str(said).unwrap(),
        alive: *alive,
    });
    let report = RegionReport {
        region: region("east"),
        term: 1,
        hosts_alive: 1,
        store_bytes_read: 0,
        instances: Vec::new(),
        services: Vec::new(),
        hosts: hosts.collect(),
        distributions: Vec::new(),
    };
    builds.apply_region_report(&report).await.unwrap();
}
