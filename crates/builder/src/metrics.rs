//! What this crate counts. Names are constants here and nowhere else.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Attempts that ended, by `outcome`.
pub const ATTEMPTS: &str = "starling_builder_attempts_total";
/// Attempts that run now.
pub const ATTEMPTS_RUNNING: &str = "starling_builder_attempts_running";
/// How long a phase of an attempt took, by `phase`.
pub const PHASE_SECONDS: &str = "starling_builder_phase_seconds";
/// Bytes of output that were not kept.
pub const LOG_BYTES_DROPPED: &str = "starling_builder_log_bytes_dropped_total";
/// Heartbeats that did not get through.
pub const BEATS_MISSED: &str = "starling_builder_beats_missed_total";
/// Builds that the reaper took, by `fate`.
pub const REAPED: &str = "starling_reaper_builds_total";
/// Uploads of dead leases that the sweeper aborted.
pub const UPLOADS_SWEPT: &str = "starling_sweeper_uploads_total";

/// Describes them to the installed recorder.
pub fn describe() {
    describe_counter!(ATTEMPTS, "Attempts that ended, by outcome");
    describe_gauge!(ATTEMPTS_RUNNING, "Attempts that run now");
    describe_histogram!(PHASE_SECONDS, Unit::Seconds, "How long a phase took");
    describe_counter!(
        LOG_BYTES_DROPPED,
        Unit::Bytes,
        "Bytes of output that were not kept"
    );
    describe_counter!(BEATS_MISSED, "Heartbeats that did not get through");
    describe_counter!(REAPED, "Builds that the reaper took, by fate");
    describe_counter!(UPLOADS_SWEPT, "Uploads of dead leases that were aborted");
}
