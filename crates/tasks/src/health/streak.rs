//! What a run of answers amounts to. Pure.

use model::service::HealthCheck;
use std::time::{Duration, Instant};

/// What a run of answers amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not enough good answers yet.
    Unproven,
    /// Healthy.
    Good,
    /// It was healthy, and has failed often enough not to be any more.
    Bad,
}

/// Counts answers in a row, so that a single lost answer changes nothing.
#[derive(Debug, Clone)]
pub struct Streak {
    healthy_after: u32,
    min_healthy: Duration,
    unhealthy_after: u32,
    health: Health,
    /// Bad answers in a row.
    bad: u32,
    /// Good answers in a row, and when the first of them came.
    good: u32,
    good_since: Option<Instant>,
}

impl Streak {
    /// Nothing was asked yet.
    pub fn new(check: &HealthCheck) -> Self {
        Self {
            healthy_after: check.healthy_after,
            min_healthy: Duration::from_millis(check.min_healthy_ms.into()),
            unhealthy_after: check.unhealthy_after,
            health: Health::Unproven,
            bad: 0,
            good: 0,
            good_since: None,
        }
    }

    /// Takes one answer in, which came at `now`, and says what they amount to.
    pub fn observe(&mut self, good: bool, now: Instant) -> Health {
        if good {
            self.bad = 0;
            self.good = self.good.saturating_add(1);
            let lasted = now.saturating_duration_since(*self.good_since.get_or_insert(now));
            if self.good >= self.healthy_after && lasted >= self.min_healthy {
                self.health = Health::Good;
            }
        } else {
            self.good = 0;
            self.good_since = None;
            self.bad = self.bad.saturating_add(1);
            if self.health == Health::Good && self.bad >= self.unhealthy_after {
                self.health = Health::Bad;
            }
        }
        self.health
    }

    /// Good answers in a row.
    pub fn observations(&self) -> u32 {
        self.good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_of_answers_changes_what_they_amount_to() {
        let mut streak = Streak::new(&HealthCheck::default());
        let answers = [
            (false, Health::Unproven),
            (true, Health::Unproven),
            (false, Health::Unproven),
            (true, Health::Unproven),
            (true, Health::Good),
            (false, Health::Good),
            (false, Health::Good),
            (true, Health::Good),
            (false, Health::Good),
            (false, Health::Good),
            (false, Health::Bad),
            (true, Health::Bad),
            (true, Health::Good),
        ];
        let now = Instant::now();
        for (number, (good, expected)) in answers.into_iter().enumerate() {
            assert_eq!(streak.observe(good, now), expected, "answer {number}");
        }
        assert_eq!(streak.observations(), 2);
    }

    #[test]
    fn enough_answers_that_came_too_quickly_are_not_enough() {
        let check = HealthCheck {
            min_healthy_ms: 1_000,
            ..HealthCheck::default()
        };
        let (mut streak, start) = (Streak::new(&check), Instant::now());
        let mut at = |good, milliseconds| streak.observe(good, start + Duration::from_millis(milliseconds));
        assert_eq!(at(true, 0), Health::Unproven);
        assert_eq!(at(true, 900), Health::Unproven);
        assert_eq!(at(false, 950), Health::Unproven);
        assert_eq!(at(true, 1_000), Health::Unproven, "the run begins anew");
        assert_eq!(at(true, 1_999), Health::Unproven);
        assert_eq!(at(true, 2_000), Health::Good);
    }
}
