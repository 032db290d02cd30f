//! The names of this crate's metrics.

/// Results of builds that were read and recorded.
pub const ARTIFACTS_RECORDED_TOTAL: &str = "starling_synchronizer_artifacts_recorded_total";
/// Copies that ended; labels `region` and `outcome` (`copied`, `failed`).
pub const COPIES_TOTAL: &str = "starling_replicator_copies_total";
/// Comparisons in a region; labels `region` and `outcome` (`matches`, `absent`, `differs`, `failed`).
pub const COMPARISONS_TOTAL: &str = "starling_synchronizer_comparisons_total";

/// Describes every metric of this crate to the recorder that is installed.
pub fn describe() {
    metrics::describe_counter!(
        ARTIFACTS_RECORDED_TOTAL,
        "Results of builds that were read and recorded"
    );
    metrics::describe_counter!(COPIES_TOTAL, "Copies to a region's store that ended");
    metrics::describe_counter!(COMPARISONS_TOTAL, "Comparisons of a replica in its region");
}

pub(crate) fn count(metric: &'static str, region: &model::RegionName, outcome: &'static str) {
    metrics::counter!(metric, "region" => region.to_string(), "outcome" => outcome).increment(1);
}
