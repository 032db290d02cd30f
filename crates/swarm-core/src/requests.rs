//! The requests in flight, and when one takes too long.
//!
//! A node can't know how fast a piece should come, since links differ by thousands of times, but it
//! can compare. A request that takes **twice the median** of the recent ones is *late*: its piece is
//! asked elsewhere too, and its source gets nothing more to do. At **four times the median** it is
//! dropped, if somebody else can give the piece. This is the remedy for stragglers of Dean & Barroso,
//! "The tail at scale" (CACM 2013), a second request once the first is slower than most, with the
//! median in place of their 95th percentile: of pieces that share a link a few are always slow,
//! and a second request for one of those would be waste, which twice the median leaves room for.
//!
//! A piece is asked for whole and of one source at a time, though it travels in blocks, between any two of which its
//! sender hears that nobody waits for it any more. So what has come of a piece that is dropped is thrown away. Asking for
//! blocks of it, and for the missing ones elsewhere, would save that, but a hash covers a piece: where one was wrong
//! whose blocks came from two, nobody could say who lied, and a liar would have honest neighbours banned.
//! Hashes of blocks would be 32 times as many (for 10 GB 1.2 MB in every manifest), to save what in the simulator
//! is a third of a percent of all bytes.
//!
//! A request that was dropped counts in the median too, with the time that it had. Else the median
//! would be over the lucky ones only, and a host whose own link is slow would drop every piece just
//! before it came, for ever: the collapse that Karn & Partridge, "Improving round-trip time estimates
//! in reliable transport protocols" (1987), found in TCP. The simulator found it here.

use crate::{Peer, Piece, Time};
use std::time::Duration;

/// How many recent requests the median is over: enough to be steady, few enough to follow a change
/// of load within seconds.
const SAMPLES_MAX: usize = 32;
/// The median is found anew after so many samples; at first, after each.
const SAMPLES_BETWEEN: u32 = 8;
/// The median before the first piece has come. A piece is up to 8 MiB, which takes 0.7 s at
/// 100 Mbit/s.
const MEDIAN_FIRST: Duration = Duration::from_secs(2);
/// Below this, delays of the host itself (disk, scheduling) look like a slow source.
const MEDIAN_MIN: Duration = Duration::from_millis(200);
/// Above this, waiting longer before looking elsewhere is of no use: 8 MiB in this time are 70 kB/s.
const MEDIAN_MAX: Duration = Duration::from_secs(120);
/// A store that has not sent a piece after so long may be cut off or crowded; whoever else has the
/// piece is asked too. It is not given up: the driver does that once no byte comes.
const STORE_LATE: Duration = Duration::from_secs(5);
/// A piece is never in flight from more neighbours than this: what comes second is waste.
pub(crate) const COPIES_MAX: usize = 2;

/// A piece that a neighbour was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub piece: Piece,
    pub peer: Peer,
    pub asked_at: Time,
    pub late: bool,
    /// How many pieces had come to this host when it was asked for.
    pub came_before: u32,
    /// Asked of the region's store, whose pace says nothing about neighbours.
    pub of_store: bool,
}

/// What is to be done about a request that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Ask somebody else too.
    Late,
    /// Give it up if somebody else can give the piece.
    Hopeless,
}

/// The requests of one transfer that are in flight; at most `Config::fetches_max`.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    all: Vec<Request>,
    pace: Pace,
}

impl Requests {
    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.all.iter()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn of(&self, piece: Piece) -> impl Iterator<Item = &Request> {
        self.all.iter().filter(move |request| request.piece == piece)
    }

    pub fn contains(&self, piece: Piece, peer: Peer) -> bool {
        self.of(piece).any(|request| request.peer == peer)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn add(&mut self, request: Request) {
        self.all.push(request);
    }

    pub fn remove(&mut self, piece: Piece, peer: Peer) -> Option<Request> {
        let index = self
            .all
            .iter()
            .position(|request| request.piece == piece && request.peer == peer)?;
        Some(self.all.swap_remove(index))
    }

    /// Notes how long a request took that brought the piece, or was dropped.
    pub fn learn(&mut self, took: Duration) {
        self.pace.add(took);
    }

    /// What a request of this neighbourhood takes.
    pub fn median(&self) -> Duration {
        self.pace.median
    }

    /// The median once a piece has come; nothing before.
    pub fn median_seen(&self) -> Duration {
        if self.pace.samples.is_empty() {
            Duration::ZERO
        } else {
            self.pace.median
        }
    }

    /// Whether something is to be done about `request`.
    pub fn overdue(&self, request: &Request, now: Time) -> Option<Overdue> {
        let age = now.since(request.asked_at);
        if request.of_store {
            return (age >= STORE_LATE.max(self.median() * 2)).then_some(Overdue::Late);
        }
        if age >= self.median() * 4 {
            Some(Overdue::Hopeless)
        } else if age >= self.median() * 2 {
            Some(Overdue::Late)
        } else {
            None
        }
    }

    /// When something next becomes overdue.
    pub fn next_overdue(&self, now: Time) -> Option<Time> {
        let (late, hopeless) = (self.median() * 2, self.median() * 4);
        // One that nobody else can give stays in flight, and is looked at again now and then.
        let again = now.after(self.median());
        let times = self.all.iter().map(|request| {
            if request.of_store {
                return request.asked_at.after(STORE_LATE.max(late)).max(again);
            }
            let late = request.asked_at.after(late);
            if late > now && !request.late {
                late
            } else {
                request.asked_at.after(hopeless).max(again)
            }
        });
        times.min()
    }

    /// Marks a request as late. False if it was, or is not there.
    pub fn mark_late(&mut self, piece: Piece, peer: Peer) -> bool {
        let mut all = self.all.iter_mut();
        let request = all.find(|request| request.piece == piece && request.peer == peer && !request.late);
        request.map(|request| request.late = true).is_some()
    }
}

/// How long recent requests took.
#[derive(Debug)]
struct Pace {
    samples: Vec<Duration>,
    count: u32,
    median: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            count: 0,
            median: MEDIAN_FIRST,
        }
    }
}

impl Pace {
    fn add(&mut self, sample: Duration) {
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(sample);
        } else {
            self.samples[self.count as usize % SAMPLES_MAX] = sample;
        }
        self.count = self.count.wrapping_add(1);
        if self.count < SAMPLES_BETWEEN || self.count.is_multiple_of(SAMPLES_BETWEEN) {
            let mut sorted = self.samples.clone();
            let middle = sorted.len() / 2;
            let (_, median, _) = sorted.select_nth_unstable(middle);
            self.median = (*median).clamp(MEDIAN_MIN, MEDIAN_MAX);
        }
    }
}
