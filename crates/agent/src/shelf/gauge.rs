//! How fast one artifact comes, and what keeps it from coming faster. No I/O, no clock.

use model::control::Limits;
use model::distribution::{Hindrance, Rates};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use swarm::FetchState;

/// Rates are taken over so many samples, so far apart: about ten seconds, since a piece of some mebibytes
/// may take seconds to come, and a shorter look would see it come all at once or not at all.
const SAMPLES_MAX: usize = 8;
const SPACING: Duration = Duration::from_millis(1_500);
/// Nothing came for this long: then nobody sends.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// The share of the time, or of a limit, above which it counts as used up.
const USED_UP: f64 = 0.9;

/// The last seconds of one artifact's way to this host.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    samples: VecDeque<(Instant, FetchState)>,
}

impl Gauge {
    /// Takes in how things stand now.
    pub(super) fn observe(&mut self, now: Instant, state: FetchState) {
        // Bytes that are found on the disk say nothing of the network.
        if state.verifying {
            self.samples.clear();
        }
        // The last sample is only kept once it is far enough from the one before it.
        if let [.., (before, _), (last, _)] = self.samples.make_contiguous()
            && last.duration_since(*before) < SPACING
        {
            self.samples.pop_back();
        }
        self.samples.push_back((now, state));
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// The first and the last sample, and the time between them, once that is long enough to tell anything.
    fn window(&self) -> Option<(&FetchState, &FetchState, Duration)> {
        let ((from, first), (to, last)) = (self.samples.front()?, self.samples.back()?);
        let window = to.duration_since(*from);
        (window >= SPACING / 2).then_some((first, last, window))
    }

    /// Over the last seconds.
    pub(super) fn rates(&self) -> Rates {
        let Some((first, last, window)) = self.window() else {
            return Rates::default();
        };
        let rate = |before: u64, now: u64| {
            let bytes = now.saturating_sub(before);
            // Truncated: half a byte a second is nothing.
            (bytes as f64 / window.as_secs_f64()) as u64
        };
        Rates {
            seed: rate(first.transfer.seed_bytes, last.transfer.seed_bytes),
            peer: rate(first.transfer.peer_bytes, last.transfer.peer_bytes),
            store: rate(first.transfer.store_bytes, last.transfer.store_bytes),
            given: rate(first.served_bytes, last.served_bytes),
        }
    }

    /// What the artifact waits for most. What is certainly wrong comes before what is merely used up, and the
    /// disk before the limits, since a limit can be changed and a disk cannot.
    pub(super) fn hindrance(&self, limits: &Limits) -> Option<Hindrance> {
        let (first, last, window) = self.window()?;
        let rates = self.rates();
        let busy = last.writing.saturating_sub(first.writing).as_secs_f64() / window.as_secs_f64();
        let reached =
            |rate: u64, limit: Option<u64>| limit.is_some_and(|limit| rate as f64 >= USED_UP * limit as f64);
        if last.rejected_pieces > first.rejected_pieces {
            Some(Hindrance::WrongPieces)
        } else if rates.taken() == 0 && window >= SILENT_AFTER {
            Some(Hindrance::NoSource)
        } else if busy >= USED_UP {
            Some(Hindrance::Disk)
        } else if reached(rates.taken(), limits.download_bytes_per_s) {
            Some(Hindrance::DownloadLimit)
        } else if reached(rates.given, limits.upload_bytes_per_s) {
            Some(Hindrance::UploadLimit)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(peer_bytes: u64, writing_ms: u64, rejected_pieces: u32) -> FetchState {
        let mut state = FetchState::default();
        state.transfer.peer_bytes = peer_bytes;
        state.writing = Duration::from_millis(writing_ms);
        state.rejected_pieces = rejected_pieces;
        state
    }

    /// Ten seconds, one sample a second.
    fn gauge(state_at: impl Fn(u64) -> FetchState) -> Gauge {
        let (mut gauge, start) = (Gauge::default(), Instant::now());
        for second in 0..=10 {
            gauge.observe(start + Duration::from_secs(second), state_at(second));
        }
        gauge
    }

    const LIMITS: Limits = Limits {
        upload_bytes_per_s: None,
        download_bytes_per_s: Some(1_000),
    };

    #[test]
    fn the_rate_is_what_came_over_the_time_that_it_took() {
        let steady = gauge(|second| state(second * 500, 0, 0));
        assert_eq!(steady.rates().peer, 500);
        assert_eq!(steady.hindrance(&LIMITS), None);
        assert!(steady.samples.len() <= SAMPLES_MAX);
    }

    #[test]
    fn one_look_tells_no_rate() {
        let mut gauge = Gauge::default();
        gauge.observe(Instant::now(), state(5_000, 0, 0));
        assert_eq!(
            (gauge.rates(), gauge.hindrance(&LIMITS)),
            (Rates::default(), None)
        );
    }

    #[test]
    fn each_hindrance_is_told_from_the_others() {
        let cases = [
            (gauge(|s| state(s * 500, s * 950, 0)), Some(Hindrance::Disk)),
            (gauge(|s| state(s * 950, 0, 0)), Some(Hindrance::DownloadLimit)),
            (
                gauge(|s| state(s * 950, 0, s as u32)),
                Some(Hindrance::WrongPieces),
            ),
            (gauge(|_| state(7, 0, 0)), Some(Hindrance::NoSource)),
            (gauge(|s| state(s * 100, s * 100, 0)), None),
        ];
        for (index, (gauge, expected)) in cases.iter().enumerate() {
            assert_eq!(gauge.hindrance(&LIMITS), *expected, "case {index}");
        }
    }

    #[test]
    fn what_is_found_on_the_disk_did_not_come_over_the_network() {
        let verifying = gauge(|second| {
            let mut state = state(0, 0, 0);
            state.verifying = true;
            state.transfer.local_bytes = second * 1_000;
            state
        });
        assert_eq!(
            (verifying.rates(), verifying.hindrance(&LIMITS)),
            (Rates::default(), None)
        );
    }
}
