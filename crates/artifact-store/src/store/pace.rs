//! How fast copies may read, all of them together.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit that several copies share; clones are one limit.
#[derive(Debug, Clone, Default)]
pub struct Pace(Option<Arc<Mutex<Schedule>>>);

/// Bytes one after the other at an even rate. A state machine: it reads no clock.
#[derive(Debug)]
struct Schedule {
    bytes_per_second: NonZeroU64,
    /// When all that was asked for so far will have passed.
    free_at: Option<Instant>,
}

impl Pace {
    /// At most so many bytes a second, over any time longer than what one part takes.
    pub fn of(bytes_per_second: NonZeroU64) -> Self {
        Self(Some(Arc::new(Mutex::new(Schedule {
            bytes_per_second,
            free_at: None,
        }))))
    }

    /// Waits until so many bytes may be read.
    pub(super) async fn wait(&self, bytes: u64) {
        let Some(schedule) = &self.0 else { return };
        let pause = schedule
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reserve(Instant::now(), bytes);
        tokio::time::sleep(pause).await;
    }
}

impl Schedule {
    /// Takes the next place for so many bytes; how long until it has come.
    fn reserve(&mut self, now: Instant, bytes: u64) -> Duration {
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second.get() as f64);
        let begins = self.free_at.map_or(now, |free_at| free_at.max(now));
        self.free_at = Some(begins + takes);
        begins.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_one_after_the_other_and_a_pause_is_not_made_up_for() {
        let mut schedule = Schedule {
            bytes_per_second: NonZeroU64::new(100).unwrap(),
            free_at: None,
        };
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(schedule.reserve(start, 200), Duration::ZERO);
        assert_eq!(schedule.reserve(start, 50), 2 * second);
        assert_eq!(schedule.reserve(start + second, 100), second * 3 / 2);
        let later = start + 60 * second;
        assert_eq!(schedule.reserve(later, 100), Duration::ZERO);
        assert_eq!(schedule.reserve(later, 100), second);
    }
}
