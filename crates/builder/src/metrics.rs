//! What this crate counts. Names are constants here and nowhere else.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Attempts that ended, by `outcome`.
pub const ATTEMPTS: &str = "starling_builder_attempts_total";
/// Attempts that run now.
pub const ATTEMPTS_RUNNING: &str = "starling_builder_attempts_running";
/// 1 for what the worker, with free slots, waits `for` before it takes more builds; else 0.
pub const WAITING: &str = "starling_builder_waiting";
/// How long a phase of an attempt took, by `phase`.
pub const PHASE_SECONDS: &str = "starling_builder_phase_seconds";
/// Bytes of output that were not kept.
pub const LOG_BYTES_DROPPED: &str = "starling_builder_log_bytes_dropped_total";
/// Heartbeats that did not get through.
pub const BEATS_MISSED: &str = "starling_builder_beats_missed_total";
/// Builds that the reaper took, by `fate`.
pub const REAPED: &str = "starling_reaper_builds_total";
/// Builds that wait.
pub const QUEUE_LENGTH: &str = "starling_queue_builds";
/// Builds that wait and that a worker could take now.
pub const QUEUE_READY: &str = "starling_queue_ready_builds";
/// How long the oldest of those has waited; 0 while there is none.
pub const OLDEST_WAIT_SECONDS: &str = "starling_queue_oldest_wait_seconds";
/// Builds that run, on all workers.
pub const BUILDS_RUNNING: &str = "starling_queue_running_builds";
/// How many builds all living workers can run at once.
pub const SLOTS: &str = "starling_queue_slots";
/// How many builds could run now, if there were workers enough: what an autoscaler aims at.
pub const SLOTS_WANTED: &str = "starling_queue_slots_wanted";
/// Uploads of dead leases that the sweeper aborted.
pub const UPLOADS_SWEPT: &str = "starling_sweeper_uploads_total";
/// Logs that were moved to the main store.
pub const LOGS_ARCHIVED: &str = "starling_archiver_logs_total";
/// Bytes of those logs, before they were compressed.
pub const LOG_BYTES_ARCHIVED: &str = "starling_archiver_bytes_total";
/// Content that no manifest named, which was removed from the main store.
pub const CONTENTS_CLEARED: &str = "starling_clearer_contents_total";
/// Builds whose history was forgotten.
pub const BUILDS_FORGOTTEN: &str = "starling_clearer_builds_forgotten_total";

/// Describes them to the installed recorder.
pub fn describe() {
    describe_counter!(ATTEMPTS, "Attempts that ended, by outcome");
    describe_gauge!(ATTEMPTS_RUNNING, "Attempts that run now");
    describe_gauge!(
        WAITING,
        "1 for what a worker with free slots waits for before it takes builds"
    );
    describe_histogram!(PHASE_SECONDS, Unit::Seconds, "How long a phase took");
    describe_counter!(
        LOG_BYTES_DROPPED,
        Unit::Bytes,
        "Bytes of output that were not kept"
    );
    describe_counter!(BEATS_MISSED, "Heartbeats that did not get through");
    describe_counter!(REAPED, "Builds that the reaper took, by fate");
    describe_gauge!(QUEUE_LENGTH, "Builds that wait");
    describe_gauge!(QUEUE_READY, "Builds that wait and that a worker could take now");
    describe_gauge!(
        OLDEST_WAIT_SECONDS,
        Unit::Seconds,
        "How long the oldest of the builds that a worker could take has waited"
    );
    describe_gauge!(BUILDS_RUNNING, "Builds that run, on all workers");
    describe_gauge!(SLOTS, "How many builds all living workers can run at once");
    describe_gauge!(
        SLOTS_WANTED,
        "How many builds could run now, if there were workers enough"
    );
    describe_counter!(UPLOADS_SWEPT, "Uploads of dead leases that were aborted");
    describe_counter!(LOGS_ARCHIVED, "Logs that were moved to the main store");
    describe_counter!(
        LOG_BYTES_ARCHIVED,
        Unit::Bytes,
        "Bytes of the logs that were moved"
    );
    describe_counter!(
        CONTENTS_CLEARED,
        "Content that no manifest named, removed from the main store"
    );
    describe_counter!(BUILDS_FORGOTTEN, "Builds whose history was forgotten");
}
