//! What the clients saw.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The most different failures that are told apart.
const REASONS_MAX: usize = 20;

/// What the clients of one service at one place saw so far.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Of each answered request, from when it was due until its answer was whole.
    microseconds: Vec<u32>,
    failed: u64,
    sent_again: u64,
    reasons: BTreeMap<String, u64>,
    /// The newest release that answered, and since when.
    newest: Option<(u64, Instant)>,
    changes: u64,
    out_of_order: u64,
    /// The longest time after a release was first seen in which an older one answered a request sent later.
    flicker: Duration,
}

/// The same, to be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Requests that were sent.
    pub total: u64,
    /// Those without a whole good answer.
    pub failed: u64,
    /// Requests that a connection on its way out did not process, and that were sent on the next.
    pub sent_again: u64,
    /// How often which failure was seen.
    pub reasons: BTreeMap<String, u64>,
    /// Good answers a second.
    pub rate: f64,
    /// The time, in milliseconds, that half of the good answers took at most, from when their requests were due.
    pub p50_ms: f64,
    /// The same for 99 of 100.
    pub p99_ms: f64,
    /// How often a newer release was seen for the first time.
    pub changes: u64,
    /// Requests that an older release answered though they were sent after an answer of a newer one had come.
    pub out_of_order: u64,
    /// The longest time after a newer release was first seen in which an older one answered a later request, in seconds.
    pub flicker_s: f64,
}

impl Tally {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest release that answered so far.
    pub fn newest(&self) -> u64 {
        self.seen().newest.map_or(0, |(release, _)| release)
    }

    /// Counts an answer: when its request was due, the newest release when it was sent, and who answered.
    pub fn answered(&self, due: Instant, newest_before: u64, release: u64) {
        let mut seen = self.seen();
        let took = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
        seen.microseconds.push(took);
        match seen.newest {
            Some((newest, since)) if release <= newest => {
                if release < newest_before {
                    seen.out_of_order += 1;
                    seen.flicker = seen.flicker.max(since.elapsed());
                }
            }
            _ => {
                seen.changes += u64::from(seen.newest.is_some());
                seen.newest = Some((release, Instant::now()));
            }
        }
    }

    /// Counts a request without a whole good answer.
    pub fn failed(&self, reason: String) {
        let mut seen = self.seen();
        seen.failed += 1;
        if seen.reasons.len() < REASONS_MAX || seen.reasons.contains_key(&reason) {
            *seen.reasons.entry(reason).or_default() += 1;
        }
    }

    /// Counts a request that was not processed, and is sent on another connection.
    pub(crate) fn sent_again(&self) {
        self.seen().sent_again += 1;
    }
}

impl Summary {
    /// Everything that was counted in so long a time, at all places together.
    pub fn of<'a>(tallies: impl IntoIterator<Item = &'a Tally>, elapsed: Duration) -> Self {
        let mut summary = Self::default();
        let mut microseconds = Vec::new();
        for tally in tallies {
            let seen = tally.seen();
            microseconds.extend_from_slice(&seen.microseconds);
            summary.failed += seen.failed;
            summary.sent_again += seen.sent_again;
            summary.changes += seen.changes;
            summary.out_of_order += seen.out_of_order;
            summary.flicker_s = summary.flicker_s.max(seen.flicker.as_secs_f64());
            for (reason, count) in &seen.reasons {
                *summary.reasons.entry(reason.clone()).or_default() += count;
            }
        }
        microseconds.sort_unstable();
        summary.total = microseconds.len() as u64 + summary.failed;
        summary.rate = microseconds.len() as f64 / elapsed.as_secs_f64();
        summary.p50_ms = milliseconds(&microseconds, 0.5);
        summary.p99_ms = milliseconds(&microseconds, 0.99);
        summary
    }
}

/// The smallest of these sorted times that at least `part` of them do not exceed (nearest rank); not a number when there
/// is none.
fn milliseconds(sorted: &[u32], part: f64) -> f64 {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    let found = sorted.get(rank.max(1).min(sorted.len()).wrapping_sub(1));
    found.map_or(f64::NAN, |&took| f64::from(took) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_seen_at_several_places_is_told_together() {
        let (one, other) = (Tally::default(), Tally::default());
        for release in [1, 2, 2] {
            one.answered(Instant::now(), one.newest(), release);
        }
        let before = other.newest();
        other.answered(Instant::now(), before, 7);
        let before = other.newest();
        other.answered(Instant::now(), before, 6);
        other.failed("no".to_owned());
        let summary = Summary::of([&one, &other], Duration::from_secs(2));
        assert_eq!((summary.total, summary.failed, summary.changes), (6, 1, 1));
        assert_eq!((summary.out_of_order, summary.reasons["no"]), (1, 1));
        assert!((summary.rate - 2.5).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let sorted: Vec<u32> = (1..=200).map(|number| number * 1_000).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|part| milliseconds(&sorted, part) as u32),
            [1, 100, 198, 200]
        );
        assert!(milliseconds(&[], 0.5).is_nan());
    }
}
