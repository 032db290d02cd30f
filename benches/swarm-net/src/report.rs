//! The lines of one case.

use crate::case::Case;
use crate::measure::{Run, Side};
use bench_harness::{Better, Line, MB, median, percentile};

/// What the last host's multiple of the bound should not exceed.
const MAX_OVER_BOUND_GOAL: f64 = 1.15;
/// What control messages should not exceed, by content.
const CONTROL_SHARE_GOAL: f64 = 0.01;

/// A figure of a run: its name, its unit, and how it is read.
type Figure = (&'static str, &'static str, fn(&Run, f64) -> f64);

const FIGURES: [Figure; 5] = [
    ("p50_over_bound", "×", |run, bound| {
        percentile(&run.seconds, 0.5) / bound
    }),
    ("p99_over_bound", "×", |run, bound| {
        percentile(&run.seconds, 0.99) / bound
    }),
    ("max_over_bound", "×", |run, bound| {
        percentile(&run.seconds, 1.0) / bound
    }),
    ("cpu_s_per_gb", "s", |run, _| run.cpu_seconds_per_gb),
    ("peak_rss_mb", "MB", |run, _| run.peak_rss_bytes as f64 / MB),
];

pub(crate) fn emit(
    bench: &str,
    case: &Case,
    (rate, bound): (f64, f64),
    sides: &[(Side, Vec<Run>)],
) -> anyhow::Result<()> {
    let Some((_, ours)) = sides.iter().find(|(side, _)| *side == Side::Ours) else {
        return Ok(());
    };
    let of = |runs: &[Run], read: &dyn Fn(&Run) -> f64| median(&runs.iter().map(read).collect::<Vec<_>>());
    let note = format!(
        "{} MiB to {} hosts, links of {} Mbit/s both ways that carry {:.2} MB/s, least possible time {bound:.2} s; \
         our seed is manager and store under one cap; a release build without link-time optimisation; \
         processors {:.0}% busy, {:.3} bytes on the wire a byte of content",
        case.bytes >> 20,
        case.hosts,
        case.cap.megabits,
        rate / MB,
        100.0 * of(ours, &|run| run.busy),
        of(ours, &|run| run.wire_share),
    );
    let line = |metric: &str, value: (f64, &str)| {
        Line::new(bench, &case.name, metric, value, ours.len()).note(&note)
    };
    for (metric, unit, read) in FIGURES {
        let value = of(ours, &|run| read(run, bound));
        for (side, runs) in sides
            .iter()
            .filter(|(side, runs)| *side != Side::Ours && !runs.is_empty())
        {
            let theirs = of(runs, &|run| read(run, bound));
            line(metric, (value, unit))
                .against(side.name(), theirs, Better::Lower)
                .note(&format!("{} ran {} times", side.name(), runs.len()))
                .emit()?;
        }
        if metric == "max_over_bound" {
            line(metric, (value, unit))
                .against("goal", MAX_OVER_BOUND_GOAL, Better::Lower)
                .emit()?;
        }
    }
    let control = of(ours, &|run| run.control_share.unwrap_or(f64::NAN));
    line("control_share", (control, "1"))
        .against("goal", CONTROL_SHARE_GOAL, Better::Lower)
        .emit()
}
