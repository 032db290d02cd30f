//! The names of this crate's metrics.

/// When the node's certificate ends, in seconds since 1970.
pub(crate) const CERTIFICATE_UNTIL: &str = "starling_enrolment_certificate_until_seconds";
/// Attempts to renew the certificate; label `outcome` (`issued`, `failed`).
pub(crate) const RENEWALS_TOTAL: &str = "starling_enrolment_renewals_total";

/// Describes every metric of this crate to the recorder that is installed.
pub(crate) fn describe() {
    metrics::describe_gauge!(
        CERTIFICATE_UNTIL,
        "When this node's certificate ends, in seconds since 1970"
    );
    metrics::describe_counter!(RENEWALS_TOTAL, "Attempts to renew this node's certificate");
}
