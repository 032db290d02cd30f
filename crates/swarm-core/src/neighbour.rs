//! One neighbour in one transfer: what it can give, and whether to ask it now.

use crate::{Peer, Role, Time};
use rand::{Rng, RngExt};
use std::time::Duration;

/// How long a neighbour is left alone after it first failed us. About a piece's time on a fast
/// link: a neighbour that was merely full has a free slot by then.
const REST_MIN: Duration = Duration::from_millis(50);
/// How long at most. A neighbour that was away is found again within seconds.
const REST_MAX: Duration = Duration::from_secs(4);
/// How much a neighbour may say or ask without a use before it is banned. An honest one does so only
/// when messages cross, a handful of times.
const NOISE_MAX: u16 = 1024;
/// Announcements in a row that a neighbour has no use for and is not told of. It is told of the next one all the same, for
/// that also says how much we have and how busy we are. In the simulator the last host ends 0.2% later than if everybody
/// were told everything; without a limit 1.7% later, since towards the end nearly everybody has nearly all.
const UNTOLD_MAX: u8 = 2;

/// One neighbour in one transfer. Small, since all of them are looked at for every request.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub peer: Peer,
    /// How many pieces it has, as it last said. Which, the picker knows.
    pub held: u32,
    pub role: Role,
    /// Whether it has said what it holds.
    pub met: bool,
    /// How many requests wait at its end, as it last said.
    pub waiting: u8,
    /// Requests to it that are not answered.
    pub in_flight: u16,
    /// Those of them that take too long.
    pub late: u16,
    noise: u16,
    failures: u8,
    /// Announcements in a row that it was not told of.
    untold: u8,
    /// Left alone until then.
    pub resting_until: Time,
}

impl Neighbour {
    pub fn new(peer: Peer, role: Role) -> Self {
        Self {
            peer,
            held: 0,
            role,
            met: false,
            waiting: 0,
            in_flight: 0,
            late: 0,
            noise: 0,
            failures: 0,
            untold: 0,
            resting_until: Time::default(),
        }
    }

    /// Whether it may be asked for one more piece, where it may have so many requests from us. One that lets us
    /// wait already gets no more to do.
    pub fn is_ready(&self, now: Time, requests_max: usize) -> bool {
        self.late == 0 && usize::from(self.in_flight) < requests_max && self.resting_until <= now
    }

    /// It gave us a piece.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.resting_until = Time::default();
    }

    /// It did not give us a piece: it rests, twice as long each time in a row, and not in step with
    /// others that failed at the same moment.
    pub fn failed(&mut self, now: Time, rng: &mut impl Rng) {
        let rest = (REST_MIN * (1 << self.failures.min(8))).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        self.resting_until = now.after(rest.mul_f64(rng.random_range(0.5..1.0)));
    }

    /// Whether to tell it of pieces that we gained, of which it lacks some or none. A seed in its first pass waits for
    /// the news, as proof of what it gave.
    pub fn is_told(&mut self, lacks_some: bool) -> bool {
        let tell = lacks_some || self.role == Role::Seed || self.untold >= UNTOLD_MAX;
        self.untold = if tell { 0 } else { self.untold + 1 };
        tell
    }

    /// It said or asked something without a use. False once that was too often.
    pub fn endure(&mut self, noise: u16) -> bool {
        self.noise = self.noise.saturating_add(noise);
        self.noise <= NOISE_MAX
    }

    /// It repeated a whole set, which costs us more than a piece. Four times are endured.
    pub fn endure_set(&mut self) -> bool {
        self.endure(NOISE_MAX / 4)
    }
}
