//! The names of this crate's metrics.

use database::builds::ReplicationTimes;

/// Results of builds that were read and recorded.
pub const ARTIFACTS_RECORDED_TOTAL: &str = "starling_synchronizer_artifacts_recorded_total";
/// Copies that ended; labels `region` and `outcome` (`copied`, `failed`).
pub const COPIES_TOTAL: &str = "starling_replicator_copies_total";
/// Comparisons in a region; labels `region` and `outcome` (`matches`, `absent`, `differs`, `failed`).
pub const COMPARISONS_TOTAL: &str = "starling_synchronizer_comparisons_total";
/// How long replicas took from when they were asked for until they were VERIFIED, in seconds, of the last day; labels
/// `region` and `quantile` (`0.5`, `0.9`, `0.99`, `1`).
pub const REPLICATION_SECONDS: &str = "starling_synchronizer_replication_seconds";
/// The part of them that took no longer than [`database::builds::REPLICATION_PROMISE`]; label `region`.
pub const REPLICATION_WITHIN_PROMISE: &str = "starling_synchronizer_replication_within_promise_ratio";

/// Describes every metric of this crate to the recorder that is installed.
pub fn describe() {
    metrics::describe_counter!(
        ARTIFACTS_RECORDED_TOTAL,
        "Results of builds that were read and recorded"
    );
    metrics::describe_counter!(COPIES_TOTAL, "Copies to a region's store that ended");
    metrics::describe_counter!(COMPARISONS_TOTAL, "Comparisons of a replica in its region");
    metrics::describe_gauge!(REPLICATION_SECONDS, "How long replicas took, of the last day");
    metrics::describe_gauge!(
        REPLICATION_WITHIN_PROMISE,
        "The part of the last day's replicas that took no longer than promised"
    );
}

/// Tells how long replicas took.
pub(crate) fn tell_times(times: &[ReplicationTimes]) {
    for of_one in times {
        let region = || of_one.region.to_string();
        let quantiles = [
            ("0.5", of_one.p50),
            ("0.9", of_one.p90),
            ("0.99", of_one.p99),
            ("1", of_one.max),
        ];
        for (quantile, took) in quantiles {
            metrics::gauge!(REPLICATION_SECONDS, "region" => region(), "quantile" => quantile)
                .set(took.as_secs_f64());
        }
        metrics::gauge!(REPLICATION_WITHIN_PROMISE, "region" => region()).set(of_one.within_promise);
    }
}

pub(crate) fn count(metric: &'static str, region: &model::RegionName, outcome: &'static str) {
    metrics::counter!(metric, "region" => region.to_string(), "outcome" => outcome).increment(1);
}
