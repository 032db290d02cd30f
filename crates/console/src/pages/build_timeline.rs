//! A build's steps on one scale of time: attempt by attempt, against what is usual.

use super::chart::Chart;
use crate::format;
use crate::wire::{BuildAttempt, BuildDetail, BuildPhase};
use jiff::Timestamp;
use model::Phase;

/// A step is called slow when it takes this many times what is usual …
const SLOW_TIMES: i64 = 2;
/// … and longer by more than this, in milliseconds: nobody minds a slow blink.
const SLOW_ABOVE_MS: i64 = 3_000;

/// Steps that belong together.
#[derive(Debug)]
pub(super) struct Group {
    /// Who did them; none for what nobody in particular did.
    pub(super) title: Option<Title>,
    pub(super) rows: Vec<Row>,
}

/// An attempt, where it ran and how it ended.
#[derive(Debug)]
pub(super) struct Title {
    pub(super) name: String,
    /// Worker and machine.
    pub(super) place: String,
    /// Why it was not the last, or did not succeed.
    pub(super) reason: Option<String>,
}

/// One row: a step, when it was and how long it took.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) detail: String,
    pub(super) chart: Chart,
    pub(super) took: String,
    /// Whether it goes on.
    pub(super) open: bool,
    /// What it usually takes, where that is known.
    pub(super) usual: Option<String>,
    /// Whether it took, or takes, far longer.
    pub(super) slow: bool,
}

struct Span {
    name: String,
    detail: String,
    class: &'static str,
    from: Timestamp,
    to: Option<Timestamp>,
    usual_ms: Option<i64>,
}

impl Span {
    fn took_ms(&self, now: Timestamp) -> i64 {
        self.to.unwrap_or(now).as_millisecond() - self.from.as_millisecond()
    }

    fn is_slow(&self, now: Timestamp) -> bool {
        let took = self.took_ms(now);
        self.usual_ms
            .is_some_and(|usual| took >= usual.saturating_mul(SLOW_TIMES) && took - usual > SLOW_ABOVE_MS)
    }
}

/// The wait for a worker, every phase of every attempt, and the copies to the regions.
pub(super) fn groups(detail: &BuildDetail, now: Timestamp) -> Vec<Group> {
    let spans = spans(detail);
    let start = detail.build.queued_at.as_millisecond();
    let end = spans
        .iter()
        .flat_map(|(_, spans)| spans)
        .map(|span| span.to.unwrap_or(now).as_millisecond())
        .max()
        .unwrap_or(start);
    let whole = (end - start).max(1);
    spans
        .into_iter()
        .map(|(title, spans)| Group {
            title,
            rows: spans
                .into_iter()
                .map(|span| row(span, start, whole, now))
                .collect(),
        })
        .collect()
}

fn row(span: Span, start: i64, whole: i64, now: Timestamp) -> Row {
    let mut chart = Chart::default();
    chart.span(
        span.class,
        span.from.as_millisecond() - start,
        span.to.unwrap_or(now).as_millisecond() - start,
        whole,
    );
    Row {
        took: format::duration(&span.from, &span.to, &now),
        open: span.to.is_none(),
        slow: span.is_slow(now),
        usual: span.usual_ms.map(format::milliseconds),
        name: span.name,
        detail: span.detail,
        chart,
    }
}

/// What is slower than usual by most, in a sentence.
pub(super) fn slowest(detail: &BuildDetail, now: Timestamp) -> Option<String> {
    let spans = spans(detail);
    let (span, usual) = spans
        .iter()
        .flat_map(|(_, spans)| spans)
        .filter(|span| span.is_slow(now))
        .filter_map(|span| Some((span, span.usual_ms?)))
        .max_by_key(|(span, usual)| span.took_ms(now) - usual)?;
    let verb = if span.to.is_some() { "took" } else { "has taken" };
    Some(format!(
        "{} {verb} {}, and usually takes {}.",
        span.name,
        format::milliseconds(span.took_ms(now)),
        format::milliseconds(usual)
    ))
}

fn spans(detail: &BuildDetail) -> Vec<(Option<Title>, Vec<Span>)> {
    let build = &detail.build;
    let usual = |phase: Option<Phase>| {
        let time = detail.usual.iter().find(|usual| usual.phase == phase);
        time.map(|time| time.duration_ms)
    };
    let first = detail.attempts.first().map(|attempt| attempt.started_at);
    let queue = Span {
        name: "Queue".to_owned(),
        detail: "waits for a worker".to_owned(),
        class: "wait",
        from: build.queued_at,
        to: first.or(build.started_at).or(build.finished_at),
        usual_ms: usual(None),
    };
    let phase = |phase: &BuildPhase| Span {
        name: name(phase.phase).to_owned(),
        detail: String::new(),
        class: "busy",
        from: phase.started_at,
        to: phase.finished_at.or(build.finished_at),
        usual_ms: usual(Some(phase.phase)),
    };
    let attempts = detail.attempts.iter().map(|attempt| {
        let phases = detail
            .phases
            .iter()
            .filter(|phase| phase.attempt == attempt.attempt);
        (Some(title(attempt)), phases.map(phase).collect())
    });
    let copies = detail.replicas.iter().filter_map(|replica| {
        Some(Span {
            name: "Replicate".to_owned(),
            detail: replica.region.to_string(),
            class: "step-replicate",
            from: replica.started_at?,
            to: replica.verified_at,
            usual_ms: None,
        })
    });
    let copies = std::iter::once((None, copies.collect()));
    std::iter::once((None, vec![queue]))
        .chain(attempts)
        .chain(copies)
        .collect()
}

fn title(attempt: &BuildAttempt) -> Title {
    Title {
        name: format!("Attempt {}", attempt.attempt.0),
        place: match &attempt.host {
            Some(host) => format!("{} on {host}", attempt.worker),
            None => attempt.worker.to_string(),
        },
        reason: attempt.reason.clone(),
    }
}

const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Checkout => "Checkout",
        Phase::Build => "Build",
        Phase::Upload => "Hash and upload",
        Phase::Publish => "Publish",
    }
}
