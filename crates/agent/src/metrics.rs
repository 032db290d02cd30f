//! The numbers that an agent counts, by name.

/// Answers from a leading manager that were taken as orders. A counter.
pub(crate) const ORDERS_TAKEN: &str = "starling_agent_orders_taken_total";
/// Rounds in which no manager answered with orders. A counter.
pub(crate) const ORDERS_MISSED: &str = "starling_agent_orders_missed_total";
/// Orders, or parts of them, that were refused because newer ones were seen. A counter.
pub(crate) const ORDERS_STALE: &str = "starling_agent_orders_stale_total";
/// Artifacts whose every byte was verified. A counter.
pub(crate) const ARTIFACTS_STAGED: &str = "starling_agent_artifacts_staged_total";
/// Tries to get an artifact that failed. A counter.
pub(crate) const ARTIFACTS_FAILED: &str = "starling_agent_artifacts_failed_total";
/// Artifacts that were deleted because no service needs them. A counter.
pub(crate) const ARTIFACTS_COLLECTED: &str = "starling_agent_artifacts_collected_total";
/// Tasks that were started. A counter.
pub(crate) const TASKS_STARTED: &str = "starling_agent_tasks_started_total";
/// Tasks that ended without having been asked to. A counter.
pub(crate) const TASKS_ENDED: &str = "starling_agent_tasks_ended_total";
/// Tries to write the ledger that failed; nothing is done until one succeeds. A counter.
pub(crate) const LEDGER_FAILED: &str = "starling_agent_ledger_failed_total";

/// Says what each number means, for whoever exports them.
pub(crate) fn describe() {
    let counters = [
        (
            ORDERS_TAKEN,
            "Answers of a leading manager that were taken as orders",
        ),
        (ORDERS_MISSED, "Rounds in which no manager answered with orders"),
        (
            ORDERS_STALE,
            "Orders that were refused because newer ones were seen",
        ),
        (ARTIFACTS_STAGED, "Artifacts whose every byte was verified"),
        (ARTIFACTS_FAILED, "Tries to get an artifact that failed"),
        (
            ARTIFACTS_COLLECTED,
            "Artifacts that were deleted because no service needs them",
        ),
        (TASKS_STARTED, "Tasks that were started"),
        (TASKS_ENDED, "Tasks that ended without having been asked to"),
        (LEDGER_FAILED, "Tries to write the ledger that failed"),
    ];
    for (name, description) in counters {
        ::metrics::describe_counter!(name, description);
    }
}
