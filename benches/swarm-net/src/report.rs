//! The lines of one case.

use crate::case::Case;
use crate::measure::Run;
use crate::side::Side;
use bench_harness::{Better, MB, Plan, Report, Runs};

/// What the last host's multiple of the bound should not exceed.
const MAX_OVER_BOUND_GOAL: f64 = 1.15;
/// What control messages should not exceed, by content.
const CONTROL_SHARE_GOAL: f64 = 0.01;

pub(crate) fn emit(
    plan: &Plan,
    case: &Case,
    (rate, bound): (f64, f64),
    sides: &[Runs<Side, Run>],
) -> anyhow::Result<()> {
    let report = Report::new(plan, &case.name, sides)?;
    let note = format!(
        "{} MiB to {} hosts, links of {} Mbit/s both ways that carry {:.2} MB/s, least possible time {bound:.2} s; \
         our seed is manager and store under one cap; a release build without link-time optimisation; \
         processors {:.0}% busy, {:.3} bytes on the wire a byte of content",
        case.bytes >> 20,
        case.hosts,
        case.cap.megabits,
        rate / MB,
        100.0 * report.median(|run| run.busy),
        report.median(|run| run.wire_share),
    );
    let report = report.note(note);
    for (metric, part) in [
        ("p50_over_bound", 0.5),
        ("p99_over_bound", 0.99),
        ("max_over_bound", 1.0),
    ] {
        report.beside(metric, "×", Better::Lower, |run| run.over(bound, part))?;
    }
    report
        .line("max_over_bound", "×", |run| run.over(bound, 1.0))
        .against("goal", MAX_OVER_BOUND_GOAL, Better::Lower)
        .emit()?;
    report.beside("cpu_s_per_gb", "s", Better::Lower, |run| run.cpu_seconds_per_gb)?;
    report.beside("peak_rss_mb", "MB", Better::Lower, |run| {
        run.peak_rss_bytes as f64 / MB
    })?;
    report
        .line("control_share", "1", |run| run.control_share.unwrap_or(f64::NAN))
        .against("goal", CONTROL_SHARE_GOAL, Better::Lower)
        .emit()
}
