//! What the console counts. One place for names and meanings.

use metrics::{counter, gauge};

/// Live streams that are open.
const STREAMS_OPEN: &str = "starling_console_streams_open";
/// Live streams that were refused because too many were open.
const STREAMS_REFUSED: &str = "starling_console_streams_refused_total";
/// Builds that were asked for, by whether they were new.
const BUILDS_REQUESTED: &str = "starling_console_builds_requested_total";
/// Deployments that were confirmed.
const DEPLOYMENTS_CONFIRMED: &str = "starling_console_deployments_confirmed_total";
/// Artifacts that were published for workers.
const ARTIFACTS_PUBLISHED: &str = "starling_console_artifacts_published_total";
/// Reports of regions that were accepted.
const REPORTS_ACCEPTED: &str = "starling_console_reports_accepted_total";
/// Nodes that asked for a first certificate, by whether they got one.
const ENROLMENTS: &str = "starling_console_enrolments_total";
/// Nodes that asked for another certificate, by whether they got one.
const RENEWALS: &str = "starling_console_renewals_total";

pub(crate) fn stream_opened() {
    gauge!(STREAMS_OPEN).increment(1.0);
}

pub(crate) fn stream_closed() {
    gauge!(STREAMS_OPEN).decrement(1.0);
}

pub(crate) fn stream_refused() {
    counter!(STREAMS_REFUSED).increment(1);
}

pub(crate) fn build_requested(fresh: bool) {
    counter!(BUILDS_REQUESTED, "fresh" => if fresh { "yes" } else { "no" }).increment(1);
}

pub(crate) fn deployment_confirmed() {
    counter!(DEPLOYMENTS_CONFIRMED).increment(1);
}

pub(crate) fn published() {
    counter!(ARTIFACTS_PUBLISHED).increment(1);
}

pub(crate) fn report_accepted() {
    counter!(REPORTS_ACCEPTED).increment(1);
}

pub(crate) fn enrolment(issued: bool) {
    counter!(ENROLMENTS, "outcome" => if issued { "issued" } else { "refused" }).increment(1);
}

pub(crate) fn renewal(issued: bool) {
    counter!(RENEWALS, "outcome" => if issued { "issued" } else { "refused" }).increment(1);
}
