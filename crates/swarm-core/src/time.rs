//! The time that a driver passes in.

use std::time::Duration;

/// Microseconds since a start that the driver chose. Only differences mean anything. A time that
/// jumps does no harm: after a jump forward timers fire early, one backwards counts as no time at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// The moment that is `duration` after this one.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        // `as_micros` reckons in 128 bits, several times as long.
        let micros = duration
            .as_secs()
            .saturating_mul(1_000_000)
            .saturating_add(duration.subsec_micros() as u64);
        Self(self.0.saturating_add(micros))
    }

    /// How long ago `earlier` was; nothing if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A time of the node's own, which never runs backwards whatever the driver's does.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    told: Time,
    now: Time,
}

impl Clock {
    /// The node's time when the driver's is `told`.
    pub fn read(&mut self, told: Time) -> Time {
        self.now = self.now.after(told.since(self.told));
        self.told = told;
        self.now
    }

    /// The driver's time at which the node's will be `at`.
    pub fn tell(&self, at: Time) -> Time {
        self.told.after(at.since(self.now))
    }
}
