//! The names of this crate's metrics.

/// Desired states written to a region's etcd; label `region`.
pub const PUBLISHED_TOTAL: &str = "starling_publisher_published_total";
/// Attempts to tell a region that failed; label `region`.
pub const PUBLISH_FAILURES_TOTAL: &str = "starling_publisher_failures_total";
/// Deployments that reached a state; label `state`.
pub const DEPLOYMENTS_TOTAL: &str = "starling_rollout_deployments_total";
/// Steps in which more hosts were given their turn.
pub const CURSORS_MOVED_TOTAL: &str = "starling_rollout_cursors_moved_total";
/// Releases that became unhealthy after they had succeeded.
pub const ALARMS_TOTAL: &str = "starling_watcher_alarms_total";
/// How long one look of a reconciler at everything takes, with what it then does; label `part`.
pub const PASS_SECONDS: &str = "starling_controller_pass_seconds";
/// Artifacts that were removed from every store.
pub const COLLECTED_TOTAL: &str = "starling_collector_artifacts_total";

/// Describes every metric of this crate to the recorder that is installed.
pub fn describe() {
    metrics::describe_counter!(PUBLISHED_TOTAL, "Desired states written to a region's etcd");
    metrics::describe_counter!(PUBLISH_FAILURES_TOTAL, "Attempts to tell a region that failed");
    metrics::describe_histogram!(
        PASS_SECONDS,
        metrics::Unit::Seconds,
        "How long one look at everything takes, with what is then done"
    );
    metrics::describe_counter!(COLLECTED_TOTAL, "Artifacts removed from every store");
    metrics::describe_counter!(DEPLOYMENTS_TOTAL, "Deployments that reached a state");
    metrics::describe_counter!(
        ALARMS_TOTAL,
        "Releases that became unhealthy after they had succeeded"
    );
    metrics::describe_counter!(
        CURSORS_MOVED_TOTAL,
        "Steps in which more hosts were given their turn"
    );
}

pub(crate) fn count(metric: &'static str, region: &model::RegionName) {
    metrics::counter!(metric, "region" => region.to_string()).increment(1);
}
