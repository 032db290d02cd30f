//! How long a store is waited for, and how often it is asked again.

use backon::ExponentialBuilder;
use std::time::Duration;

/// Limits of time and number for what a [`super::Store`] asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// From a request's last byte to the answer's first; Complete may take a while at some stores.
    pub answer: Duration,
    /// One try of one request, with its bytes.
    pub attempt: Duration,
    /// Tries of one request.
    pub attempts_max: u32,
    /// The first pause between two tries; each is twice as long as the one before, and shortened at random.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Patience {
    /// For a store that is far away and busy. A part of 16 MiB at less than 1 Mbit/s is a broken link.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            attempt: Duration::from_secs(150),
            attempts_max: 6,
            pause_first: Duration::from_millis(200),
            pause_max: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// The pauses between the tries of one request.
    pub(super) fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.pause_first)
            .with_max_delay(self.pause_max)
            .with_max_times(self.attempts_max.saturating_sub(1) as usize)
            .with_jitter()
    }
}
