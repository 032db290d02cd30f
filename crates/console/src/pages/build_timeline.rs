//! A build's steps on one scale of time.

use super::chart::Chart;
use crate::format;
use crate::wire::BuildDetail;
use jiff::Timestamp;
use model::Phase;

/// One row: a step, when it was and how long it took.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) detail: String,
    pub(super) chart: Chart,
    pub(super) took: String,
    /// Whether it goes on.
    pub(super) open: bool,
}

struct Span {
    name: String,
    detail: String,
    class: &'static str,
    from: Timestamp,
    to: Option<Timestamp>,
}

/// The wait for a worker, every phase of every attempt, and the copies to the regions.
pub(super) fn rows(detail: &BuildDetail, now: Timestamp) -> Vec<Row> {
    let spans = spans(detail);
    let start = detail.build.queued_at.as_millisecond();
    let end = spans
        .iter()
        .map(|span| span.to.unwrap_or(now).as_millisecond())
        .max()
        .unwrap_or(start);
    spans
        .into_iter()
        .map(|span| {
            let mut chart = Chart::default();
            chart.span(
                span.class,
                span.from.as_millisecond() - start,
                span.to.unwrap_or(now).as_millisecond() - start,
                (end - start).max(1),
            );
            Row {
                took: format::duration(&span.from, &span.to, &now),
                open: span.to.is_none(),
                name: span.name,
                detail: span.detail,
                chart,
            }
        })
        .collect()
}

fn spans(detail: &BuildDetail) -> Vec<Span> {
    let build = &detail.build;
    let first = detail.phases.first().map(|phase| phase.started_at);
    let queue = Span {
        name: "Queue".to_owned(),
        detail: "waits for a worker".to_owned(),
        class: "wait",
        from: build.queued_at,
        to: first.or(build.started_at).or(build.finished_at),
    };
    let phases = detail.phases.iter().map(|phase| Span {
        name: name(phase.phase).to_owned(),
        detail: if phase.attempt.0 > 1 {
            format!("{}, attempt {}", phase.worker, phase.attempt.0)
        } else {
            phase.worker.to_string()
        },
        class: "busy",
        from: phase.started_at,
        to: phase.finished_at.or(build.finished_at),
    });
    let copies = detail.replicas.iter().filter_map(|replica| {
        Some(Span {
            name: "Replicate".to_owned(),
            detail: replica.region.to_string(),
            class: "step-replicate",
            from: replica.started_at?,
            to: replica.verified_at,
        })
    });
    std::iter::once(queue).chain(phases).chain(copies).collect()
}

const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Checkout => "Checkout",
        Phase::Build => "Build",
        Phase::Upload => "Hash and upload",
        Phase::Publish => "Publish",
    }
}
