//! What the clients saw.

use bench_harness::percentile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The most different failures that are told apart.
const REASONS_MAX: usize = 20;

/// What the clients of one process saw so far.
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
    pub total: u64,
    pub failed: u64,
    /// Requests that a connection on its way out did not process, and that were sent on the next.
    pub sent_again: u64,
    /// How often which failure was seen.
    pub reasons: BTreeMap<String, u64>,
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// How often a newer release was seen for the first time.
    pub changes: u64,
    /// Requests that an older release answered though they were sent after an answer of a newer one had come.
    pub out_of_order: u64,
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
    pub fn sent_again(&self) {
        self.seen().sent_again += 1;
    }

    /// Everything, after so long a time.
    pub fn summary(&self, elapsed: Duration) -> Summary {
        let seen = self.seen();
        let milliseconds: Vec<f64> = seen
            .microseconds
            .iter()
            .map(|&took| f64::from(took) / 1e3)
            .collect();
        let at = |part| {
            if milliseconds.is_empty() {
                f64::NAN
            } else {
                percentile(&milliseconds, part)
            }
        };
        Summary {
            total: seen.microseconds.len() as u64 + seen.failed,
            failed: seen.failed,
            sent_again: seen.sent_again,
            reasons: seen.reasons.clone(),
            rate: seen.microseconds.len() as f64 / elapsed.as_secs_f64(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            changes: seen.changes,
            out_of_order: seen.out_of_order,
            flicker_s: seen.flicker.as_secs_f64(),
        }
    }
}
