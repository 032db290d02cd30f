//! The lines of one case.

use crate::contest::Outcome;
use crate::side::Side;
use crate::stage::Stage;
use bench_harness::{Better, GB, MB, Plan, Report, Runs, median};

/// What our rate should be of the bare copy's, at the least.
const OF_TLS_GOAL: f64 = 0.8;

pub fn emit(
    plan: &Plan,
    case: &str,
    stage: &Stage,
    receivers: usize,
    sides: &[Runs<Side, Outcome>],
) -> anyhow::Result<()> {
    let delivered = stage.length as f64 * receivers as f64;
    let rate = |outcome: &Outcome| delivered / MB / outcome.seconds;
    let report = Report::new(plan, case, sides)?.note(format!(
        "{:.1} GB to {receivers}, {}; libtorrent 2 maps its files, which counts as its memory, and with rqbit encrypts nothing",
        stage.length as f64 / GB,
        stage.medium
    ));
    report.beside("throughput", "MB/s", Better::Higher, rate)?;
    let bare = sides.iter().find(|other| other.side == Side::BareTls);
    let bare_rate = bare.map_or(f64::NAN, |bare| {
        median(&bare.runs.iter().map(rate).collect::<Vec<_>>())
    });
    let of_tls = |outcome: &Outcome| rate(outcome) / bare_rate;
    let of = ("throughput_of_tls", "ratio");
    report.beside_goal(of, Better::Higher, OF_TLS_GOAL, of_tls)?;
    report.beside("cpu_s_per_gb", "s/GB", Better::Lower, |outcome| {
        outcome.cpu_seconds / (delivered / GB)
    })?;
    report.beside("peak_rss_mb", "MB", Better::Lower, |outcome| {
        outcome.peak_rss_bytes as f64 / MB
    })?;
    report.beside("peak_rss_mb_of_sender", "MB", Better::Lower, |outcome| {
        outcome.peak_rss_bytes_of_sender as f64 / MB
    })
}
