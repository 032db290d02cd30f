//! The lines of each case.

use crate::beside;
use crate::side::Side;
use crate::swaps;
use bench_harness::{Better, Line, Plan, Report, Runs, median};

/// What a reader must know of the figures beside each other.
const NOTE: &str =
    "one thread each, one task behind, small answers, 64 connections; processor time of the proxy alone";
/// The longest time in which an older release may answer once a newer one has.
const FLICKER_GOAL_S: f64 = 0.01;

pub fn swaps(plan: &Plan, case: &str, outcome: &swaps::Outcome) -> anyhow::Result<()> {
    let swaps::Outcome {
        load,
        swaps,
        killed,
        kills,
        take_overs,
    } = outcome;
    let note = format!(
        "open loop, {} requests, {swaps} swaps, {killed} killed {kills} times, {take_overs} take-overs",
        load.total
    );
    let figures = [
        ("requests", load.total as f64, ""),
        ("swaps", *swaps as f64, ""),
        ("rate", load.rate, "1/s"),
        ("p50", load.p50_ms, "ms"),
        ("p99", load.p99_ms, "ms"),
        ("version_changes_seen", load.changes as f64, ""),
        ("out_of_order", load.out_of_order as f64, ""),
        ("sent_again", load.sent_again as f64, ""),
    ];
    let line = |metric: &str, value: f64, unit: &str| {
        Line::new(plan.bench, case, metric, (value, unit), 1).note(&note)
    };
    let mut failed = line("failed", load.failed as f64, "");
    for (reason, count) in &load.reasons {
        failed = failed.note(&format!("{count} × {reason}"));
    }
    failed.against("goal", 0.0, Better::Lower).emit()?;
    for (metric, value, unit) in figures {
        line(metric, value, unit).emit()?;
    }
    line("flicker", load.flicker_s, "s")
        .against("goal", FLICKER_GOAL_S, Better::Lower)
        .emit()
}

pub fn throughput(plan: &Plan, case: &str, sides: &[Runs<Side, beside::Outcome>]) -> anyhow::Result<()> {
    let proxies: Vec<_> = sides
        .iter()
        .filter(|of| of.side != Side::Direct)
        .cloned()
        .collect();
    let report = Report::new(plan, case, &proxies)?.note(NOTE);
    report.beside("requests_a_cpu_second", "1/s", Better::Higher, |outcome| {
        1e6 / outcome.cpu_us_a_request
    })?;
    report.beside("cpu_us_a_request", "µs", Better::Lower, |outcome| {
        outcome.cpu_us_a_request
    })?;
    report.beside("requests_a_second", "1/s", Better::Higher, |outcome| {
        outcome.requests_per_second
    })?;
    report.line("failed", "", |outcome| outcome.failed as f64).emit()
}

/// What a proxy adds is what it takes beyond the task asked directly, in the same call.
pub fn latency(plan: &Plan, case: &str, sides: &[Runs<Side, beside::Outcome>]) -> anyhow::Result<()> {
    let of = |figure: fn(&beside::Outcome) -> f64| {
        let direct = sides.iter().find(|of| of.side == Side::Direct);
        let values: Vec<f64> = direct.iter().flat_map(|of| of.runs.iter().map(figure)).collect();
        if values.is_empty() { 0.0 } else { median(&values) }
    };
    let (p50, p99) = (of(|outcome| outcome.p50_ms), of(|outcome| outcome.p99_ms));
    let proxies: Vec<_> = sides
        .iter()
        .filter(|of| of.side != Side::Direct)
        .cloned()
        .collect();
    let report = Report::new(plan, case, &proxies)?.note(format!(
        "open loop, 1,000 requests a second; the task itself: p50 {p50:.3} ms, p99 {p99:.3} ms"
    ));
    report.beside("p50_added", "ms", Better::Lower, |outcome| outcome.p50_ms - p50)?;
    report.beside("p99_added", "ms", Better::Lower, |outcome| outcome.p99_ms - p99)?;
    report.beside("cpu_us_a_request", "µs", Better::Lower, |outcome| {
        outcome.cpu_us_a_request
    })
}
