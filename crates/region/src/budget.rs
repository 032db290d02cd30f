//! How much of an artifact a manager may read from the store.
//!
//! A manager is a seed beside the hosts that read their shares themselves. What it reads must stay
//! bounded however many hosts ask it, and must never end for good: where hosts can't reach the store, the
//! manager is the only way to it. So it may read an artifact once and an eighth at any speed, and from
//! then on once in [`REFILL`]. Pure: the time is an argument.

use std::time::Duration;
use tokio::time::Instant;

/// The time in which a spent budget becomes a whole artifact again.
const REFILL: Duration = Duration::from_secs(600);

/// What is left for one artifact.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The most that can be left, in bytes.
    full: u64,
    left: u64,
    filled_at: Instant,
}

impl Budget {
    /// For an artifact of so many bytes.
    pub(crate) fn new(total_length: u64, now: Instant) -> Self {
        // At least a piece more than the artifact, so that a small one can be read to its end.
        let full = total_length + (total_length / 8).max(u64::from(artifact::PIECE_LENGTH_MAX));
        Self {
            full,
            left: full,
            filled_at: now,
        }
    }

    /// Takes so many bytes. False where they are not left; nothing is taken then.
    pub(crate) fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let since = now.duration_since(self.filled_at);
        let refill = u128::from(self.full) * since.as_micros() / REFILL.as_micros();
        if refill > 0 {
            self.left = u64::try_from(refill)
                .unwrap_or(u64::MAX)
                .saturating_add(self.left)
                .min(self.full);
            self.filled_at = now;
        }
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn an_artifact_is_read_once_and_an_eighth_and_later_once_a_refill() {
        let now = Instant::now();
        let mut budget = Budget::new(800 * MIB, now);
        assert!(budget.take(900 * MIB, now));
        assert!(!budget.take(1, now));
        assert!(!budget.take(451 * MIB, now + REFILL / 2));
        assert!(budget.take(449 * MIB, now + REFILL / 2));
        assert!(
            !budget.take(901 * MIB, now + REFILL * 50),
            "it is never more than full"
        );
    }

    proptest! {
        #[test]
        fn no_more_is_read_than_time_allows(
            total in 1..(64_u64 << 30),
            asks in proptest::collection::vec((1..(8 * MIB), 0..20_000_u64), 1..200),
        ) {
            let began = Instant::now();
            let mut budget = Budget::new(total, began);
            let (mut now, mut read) = (began, 0);
            for (bytes, pause_ms) in asks {
                now += Duration::from_millis(pause_ms);
                read += if budget.take(bytes, now) { bytes } else { 0 };
                let spent = (now - began).as_secs_f64() / REFILL.as_secs_f64();
                prop_assert!(read as f64 <= budget.full as f64 * (1.0 + spent) + 1.0);
            }
        }
    }
}
