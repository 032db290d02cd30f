//! How often strangers may try. Nobody guesses a token; this keeps those who try from keeping the database
//! busy. It counts over all of them, since behind a proxy all have one address: at worst they slow down the
//! admission of newcomers, who ask again, and never a renewal or anything else.

use crate::refusal::Refusal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Attempts at once.
const AT_ONCE_MAX: usize = 8;
/// Failures in a row before the next attempt has to wait.
const FAILURES_MAX: f64 = 100.0;
/// Failures that are forgiven in a second.
const FORGIVEN_A_SECOND: f64 = 5.0;

/// Counts attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    places: Arc<Semaphore>,
    failures: Mutex<Failures>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            failures: Mutex::new(Failures {
                count: 0.0,
                at: Instant::now(),
            }),
        }
    }
}

impl Attempts {
    /// A place to try in, until it is dropped.
    pub(crate) fn begin(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.check()?;
        Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::TooManyAttempts)
    }

    /// Whether so few have failed lately that another may try.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.failures().now(Instant::now()) >= FAILURES_MAX {
            return Err(Refusal::TooManyAttempts);
        }
        Ok(())
    }

    pub(crate) fn note_failure(&self) {
        self.failures().note(Instant::now());
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        // A panic elsewhere leaves it whole: every change is one assignment.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bucket that leaks.
#[derive(Debug)]
struct Failures {
    count: f64,
    at: Instant,
}

impl Failures {
    fn now(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.count - passed * FORGIVEN_A_SECOND).max(0.0)
    }

    fn note(&mut self, now: Instant) {
        *self = Self {
            count: self.now(now) + 1.0,
            at: now,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn failures_are_counted_and_forgiven_with_time() {
        let start = Instant::now();
        let mut failures = Failures {
            count: 0.0,
            at: start,
        };
        for _ in 0..100 {
            failures.note(start);
        }
        assert!(failures.now(start) >= FAILURES_MAX);
        assert!(failures.now(start + Duration::from_secs(1)) < FAILURES_MAX);
        assert_eq!(failures.now(start + Duration::from_secs(60)), 0.0);
    }

    #[test]
    fn only_so_many_try_at_once() {
        let attempts = Attempts::default();
        let places: Vec<_> = (0..AT_ONCE_MAX).map(|_| attempts.begin().unwrap()).collect();
        assert!(attempts.begin().is_err());
        drop(places);
        assert!(attempts.begin().is_ok());
    }
}
