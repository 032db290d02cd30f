//! The names of this crate's metrics.

/// 1 while this manager leads its region.
pub const LEADING: &str = "starling_region_leading";
/// Hosts heard of lately by the leader.
pub const HOSTS_ALIVE: &str = "starling_region_hosts_alive";
/// Bytes read from the region's store to seed the swarm.
pub const STORE_BYTES_TOTAL: &str = "starling_region_store_bytes_total";
/// Reports to the control plane; label `outcome` (`accepted`, `failed`).
pub const REPORTS_TOTAL: &str = "starling_region_reports_total";

/// Describes every metric of this crate to the recorder that is installed.
pub fn describe() {
    metrics::describe_gauge!(LEADING, "1 while this manager leads its region");
    metrics::describe_gauge!(HOSTS_ALIVE, "Hosts heard of lately by the leader");
    metrics::describe_counter!(
        STORE_BYTES_TOTAL,
        "Bytes read from the region's store to seed the swarm"
    );
    metrics::describe_counter!(REPORTS_TOTAL, "Reports to the control plane");
}
