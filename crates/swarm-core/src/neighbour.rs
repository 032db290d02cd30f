//! One neighbour in one transfer: what it can give, and whether to ask it now.

use crate::{Config, Peer, PieceSet, Role, Time};
use rand::{Rng, RngExt};
use std::time::Duration;

/// A neighbour has at least this much to send us, so that it never idles for a round trip and a disk
/// write between two pieces: bandwidth times delay, with a delay that covers two continents' distance.
/// One piece of 8 MiB is more than that on any link below 1.3 Gbit/s; of small pieces it takes several.
const WORK_AHEAD: Duration = Duration::from_millis(50);
/// How long a neighbour is left alone after it first failed us. About a piece's time on a fast
/// link: a neighbour that was merely full has a free slot by then.
const REST_MIN: Duration = Duration::from_millis(50);
/// How long at most. A neighbour that was away is found again within seconds.
const REST_MAX: Duration = Duration::from_secs(4);
/// How much a neighbour may say or ask without a use before it is banned. An honest one does so only
/// when messages cross, a handful of times.
const NOISE_MAX: u32 = 1024;

/// One neighbour in one transfer.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub peer: Peer,
    pub role: Role,
    /// What it said that it can give.
    pub holds: PieceSet,
    /// Whether it has said what it holds.
    pub met: bool,
    /// Whether it holds nothing that we should ask for. Saves the search until that changes.
    pub dry: bool,
    /// Requests to it that are not answered.
    pub in_flight: usize,
    /// Those of them that take too long.
    pub late: usize,
    /// How many requests wait at its end, as it last said.
    pub waiting: u8,
    /// Left alone until then.
    pub resting_until: Option<Time>,
    /// What a piece takes from it, waiting in its queue included. None before the first.
    pace: Option<Duration>,
    failures: u32,
    noise: u32,
}

impl Neighbour {
    pub fn new(peer: Peer, role: Role, pieces: u32) -> Self {
        Self {
            peer,
            role,
            holds: PieceSet::empty(pieces),
            met: false,
            dry: true,
            in_flight: 0,
            late: 0,
            waiting: 0,
            resting_until: None,
            pace: None,
            failures: 0,
            noise: 0,
        }
    }

    /// Whether it may be asked for one more piece. One that lets us wait already gets no more to do.
    pub fn is_ready(&self, now: Time, config: &Config) -> bool {
        !self.dry
            && self.late == 0
            && self.in_flight < self.window(config)
            && self.resting_until.is_none_or(|until| until <= now)
    }

    /// How many requests it should have from us: one, or as many as fill [`WORK_AHEAD`].
    fn window(&self, config: &Config) -> usize {
        let pace_us = self.pace.map_or(u128::MAX, |pace| pace.as_micros().max(1));
        let ahead = usize::try_from(WORK_AHEAD.as_micros() / pace_us).unwrap_or(usize::MAX);
        (1 + ahead).min(config.fetches_per_peer_max)
    }

    /// It gave us a piece, which took so long. Half of what counts is the latest.
    pub fn succeeded(&mut self, took: Option<Duration>) {
        if let Some(took) = took {
            self.pace = Some(self.pace.map_or(took, |pace| (pace + took) / 2));
        }
        self.failures = 0;
        self.resting_until = None;
    }

    /// It did not give us a piece: it rests, twice as long each time in a row, and not in step with
    /// others that failed at the same moment.
    pub fn failed(&mut self, now: Time, rng: &mut impl Rng) {
        let rest = (REST_MIN * (1 << self.failures.min(8))).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        self.resting_until = Some(now.after(rest.mul_f64(rng.random_range(0.5..1.0))));
    }

    /// It said or asked something without a use. False once that was too often.
    pub fn endure(&mut self, noise: u32) -> bool {
        self.noise = self.noise.saturating_add(noise);
        self.noise <= NOISE_MAX
    }

    /// It repeated a whole set, which costs us more than a piece. Four times are endured.
    pub fn endure_set(&mut self) -> bool {
        self.endure(NOISE_MAX / 4)
    }
}
