//! What becomes of a process on a modelled host.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;

/// How long hosts take to fetch a release: their managers hint them, and small artifacts arrive within seconds.
const STAGES_MS: std::ops::Range<u64> = 200..2_000;
/// How long a process takes to answer well.
const STARTS_MS: std::ops::Range<u64> = 200..1_500;

/// How bad a release is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bad {
    /// On which share of the hosts it fails.
    pub share: f64,
    /// Which share of these run well at first.
    pub late: f64,
    /// For how long at the most.
    pub within: Duration,
}

impl Bad {
    /// A release that is good everywhere.
    pub const NOT: Self = Self {
        share: 0.0,
        late: 0.0,
        within: Duration::ZERO,
    };

    /// A release that is bad somehow, on some of the hosts or all, at once or `within` some time.
    pub fn at_random(seed: u64, within: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        // From one host in a hundred to all: most bad releases are bad everywhere, and the rare failures are the harder.
        let share = [0.01, 0.03, 0.1, 0.5, 1.0][random.random_range(0..5)];
        Self {
            share,
            late: random.random_range(0.0..1.0),
            within,
        }
    }
}

/// What becomes of one start.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// When it answers, or fails at once.
    pub starts_in: Duration,
    /// How long after that it fails, if it does.
    pub fails_in: Option<Duration>,
}

/// The luck of one region's hosts.
#[derive(Debug)]
pub struct Luck(StdRng);

impl Luck {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub fn stages_in(&mut self) -> Duration {
        Duration::from_millis(self.0.random_range(STAGES_MS))
    }

    pub fn fate(&mut self, bad: &Bad) -> Fate {
        let starts_in = Duration::from_millis(self.0.random_range(STARTS_MS));
        let fails = self.0.random_bool(bad.share);
        let late = self.0.random_bool(bad.late);
        let after = bad.within.mul_f64(self.0.random());
        Fate {
            starts_in,
            fails_in: fails.then_some(if late { after } else { Duration::ZERO }),
        }
    }
}
