//! When a task that ended by itself is started again.

use crate::reason::cut;
use std::time::{Duration, Instant};

/// How the pauses between two starts grow.
#[derive(Debug, Clone, Copy)]
pub struct RestartPolicy {
    /// The first pause.
    pub delay_min: Duration,
    /// The longest pause; a task that ran longer than this begins anew with the first.
    pub delay_max: Duration,
}

/// Failures in a row. Forgotten when the agent restarts: a fresh agent may try at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Restarts {
    failures: u32,
    not_before: Option<Instant>,
    reason: Option<String>,
}

impl Restarts {
    pub(super) fn note(&mut self, now: Instant, ran: Duration, reason: String, policy: &RestartPolicy) {
        if ran > policy.delay_max {
            self.failures = 0;
        }
        let doubled = policy
            .delay_min
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        // A pause beyond what an `Instant` can hold is as good as none at all to wait for.
        self.not_before = now.checked_add(doubled.min(policy.delay_max));
        self.reason = Some(reason);
    }

    pub(super) fn allow(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|&at| at > now)
    }

    /// What went wrong last, and how often in a row.
    pub(super) fn reason(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        Some(match self.failures {
            0 | 1 => reason.clone(),
            failures => cut(format!("{reason} ({failures} times in a row)")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        delay_min: Duration::from_secs(1),
        delay_max: Duration::from_secs(60),
    };

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_sound_run() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        let mut pause = |ran| {
            restarts.note(now, Duration::from_secs(ran), "crashed".to_owned(), &POLICY);
            restarts.wake(now).map(|at| (at - now).as_secs())
        };
        let pauses: Vec<_> = [0, 1, 0, 5, 0, 0, 60, 0, 61, 0]
            .into_iter()
            .filter_map(&mut pause)
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]);
    }

    #[test]
    fn even_endless_failures_never_overflow() {
        let now = Instant::now();
        let mut restarts = Restarts {
            failures: u32::MAX,
            ..Restarts::default()
        };
        restarts.note(now, Duration::ZERO, "crashed".to_owned(), &POLICY);
        assert!(restarts.allow(now + POLICY.delay_max) && !restarts.allow(now));
    }
}
