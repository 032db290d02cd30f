//! The names of this crate's metrics.

use model::distribution::{ArrivalState, HostCounts, Rates};

/// 1 while this manager leads its region.
pub const LEADING: &str = "starling_region_leading";
/// Hosts heard of lately by the leader.
pub const HOSTS_ALIVE: &str = "starling_region_hosts_alive";
/// Bytes read from the region's store to seed the swarm.
pub const STORE_BYTES_TOTAL: &str = "starling_region_store_bytes_total";
/// Hosts by how far an artifact is on them, summed over the artifacts that services are ordered to have; label
/// `state`.
pub const ARRIVALS: &str = "starling_region_arrivals";
/// Verified bytes a second that the hosts take in, label `source` (`seed`, `peer`, `store`), and what they give
/// (`given`).
pub const BYTES_PER_S: &str = "starling_region_bytes_per_second";
/// Reports to the control plane; label `outcome` (`accepted`, `failed`).
pub const REPORTS_TOTAL: &str = "starling_region_reports_total";

/// Shows how the hosts' arrivals stand.
pub(crate) fn arrivals((hosts, rates): &(HostCounts, Rates)) {
    for state in ArrivalState::ALL {
        metrics::gauge!(ARRIVALS, "state" => state.as_str()).set(f64::from(hosts.of(*state)));
    }
    let sources = [
        ("seed", rates.seed),
        ("peer", rates.peer),
        ("store", rates.store),
        ("given", rates.given),
    ];
    for (source, rate) in sources {
        metrics::gauge!(BYTES_PER_S, "source" => source).set(rate as f64);
    }
}

/// Describes every metric of this crate to the recorder that is installed.
pub fn describe() {
    metrics::describe_gauge!(LEADING, "1 while this manager leads its region");
    metrics::describe_gauge!(HOSTS_ALIVE, "Hosts heard of lately by the leader");
    metrics::describe_counter!(
        STORE_BYTES_TOTAL,
        "Bytes read from the region's store to seed the swarm"
    );
    metrics::describe_gauge!(
        ARRIVALS,
        "Hosts by how far an artifact is on them, over all artifacts"
    );
    metrics::describe_gauge!(
        BYTES_PER_S,
        "Verified bytes a second that the hosts take in, by source"
    );
    metrics::describe_counter!(REPORTS_TOTAL, "Reports to the control plane");
}
