//! The region's object store as a source: what is pulled from it, and when.
//!
//! A store could feed every host and be crushed by it, so it is read for two reasons only:
//!
//! 1. **The share.** The manager deals out the pieces to some hosts, each piece to one. A host pulls
//!    its share from the start, [`SHARE_IN_FLIGHT_MAX`] at a time. So the region begins at once, on
//!    many hosts, and all shares together read the store once.
//! 2. **The last resort.** A piece that no neighbour gives is pulled when the host has had nothing in
//!    flight, and no neighbour has given it a piece, for a while; one at a time. So a region whose manager died, and a
//!    host that nobody talks to, still end.
//!
//! When something lacks everywhere, every host of the region falls short of work at the same moment,
//! and must not turn to the store at the same moment. How long one waits is drawn as in Nonnenmacher &
//! Biersack, "Scalable feedback for large multicast groups" (1999): **half of the hosts wait the
//! longest, a quarter a step less, an eighth two steps less**, and so on. So, whatever the number of
//! hosts, only a few wait the least; they are *elected*: they pull one piece after the other, each time
//! another at random, as long as there is a piece that none of their neighbours has, or gives. What they bring
//! gives the others work again before their wait is over, and starts it anew.

use crate::requests::Request;
use crate::transfer::{Context, Transfer};
use crate::{Output, Peer, Piece, PieceSet, Time};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use std::time::Duration;

/// Pieces of the share in flight. Two, so that the store's answer to the next is on its way while one
/// comes in; the other fetches are for neighbours, who are asked too.
const SHARE_IN_FLIGHT_MAX: usize = 2;
/// One step of waiting: longer than news need to reach the neighbours of all hosts, which is
/// about a piece's time for each of the few hops between them.
const STEP_MIN: Duration = Duration::from_secs(1);
/// Steps of waiting: 2 to the power of this is the number of hosts of which about one waits the least.
const STEPS: u32 = 17;
/// How long the store is left alone after it first failed us; twice as long each time in a row.
const REST_MIN: Duration = Duration::from_secs(1);
/// How long at most.
const REST_MAX: Duration = Duration::from_secs(60);

/// How long the last resort is still to be put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// There is work.
    Busy,
    /// There has been none for a while.
    Short { until: Time },
    /// The wait is over.
    Elected,
}

/// The store of one transfer.
#[derive(Debug)]
pub(crate) struct Store {
    pub peer: Peer,
    /// The share, in random order.
    share: Vec<Piece>,
    /// What stands before this in the share was asked for, or came from elsewhere.
    next: usize,
    patience: Patience,
    resting_until: Option<Time>,
    failures: u32,
}

impl Store {
    pub fn new(peer: Peer, share: &PieceSet, rng: &mut impl Rng) -> Self {
        let mut store = Self {
            peer,
            share: Vec::new(),
            next: 0,
            patience: Patience::Busy,
            resting_until: None,
            failures: 0,
        };
        store.set_share(share, rng);
        store
    }

    pub fn set_share(&mut self, share: &PieceSet, rng: &mut impl Rng) {
        self.share = share.iter().collect();
        self.share.shuffle(rng);
        self.next = 0;
    }

    /// The share is gone through again, since what was in flight was given up.
    pub fn restart(&mut self) {
        self.next = 0;
    }

    /// The next piece of the share that is `open`, if it may be pulled now.
    pub fn next_of_share(
        &mut self,
        in_flight: usize,
        now: Time,
        open: impl Fn(Piece) -> bool,
    ) -> Option<Piece> {
        if self.rests(now) || in_flight >= SHARE_IN_FLIGHT_MAX {
            return None;
        }
        while let Some(&piece) = self.share.get(self.next) {
            self.next += 1;
            if open(piece) {
                return Some(piece);
            }
        }
        None
    }

    pub fn is_elected(&self) -> bool {
        self.patience == Patience::Elected
    }

    /// There is no work. Whether the wait is over; `step` is what a piece takes.
    pub fn short_of_work(&mut self, now: Time, step: Duration, rng: &mut impl Rng) -> bool {
        match self.patience {
            Patience::Busy => {
                let step = step.max(STEP_MIN);
                // A random word ends in no 0 half of the time, in one a quarter of the time, …
                let sooner = rng.next_u32().trailing_zeros().min(STEPS - 1);
                let steps = f64::from(STEPS - 1 - sooner) + rng.random_range(0.0..1.0);
                let until = now.after(step.mul_f64(steps));
                self.patience = Patience::Short { until };
            }
            Patience::Short { until } if until <= now => self.patience = Patience::Elected,
            Patience::Short { .. } | Patience::Elected => {}
        }
        self.is_elected()
    }

    /// When to look at the store again without being told.
    pub fn next_look(&self, now: Time) -> Option<Time> {
        let waits_until = match self.patience {
            Patience::Short { until } => Some(until),
            Patience::Elected | Patience::Busy => None,
        };
        [waits_until, self.resting_until]
            .into_iter()
            .flatten()
            .filter(|&at| at > now)
            .min()
    }

    pub fn rests(&self, now: Time) -> bool {
        self.resting_until.is_some_and(|until| until > now)
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.resting_until = None;
    }

    /// It did not give us a piece: it rests, then the share is gone through again.
    pub fn failed(&mut self, now: Time, rng: &mut impl Rng) {
        self.next = 0;
        let rest = (REST_MIN * (1 << self.failures.min(8))).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        self.resting_until = Some(now.after(rest.mul_f64(rng.random_range(0.5..1.0))));
    }
}

impl Transfer {
    /// The store can be asked, and should be for `share`. A neighbour is no store.
    pub fn offer_store(&mut self, peer: Peer, share: PieceSet, cx: &mut Context<'_>) {
        if self.index_of(peer).is_some() {
            return;
        }
        let share = if share.pieces() == self.held.pieces() {
            share
        } else {
            PieceSet::empty(self.held.pieces())
        };
        match &mut self.store {
            Some(store) if store.peer == peer => {
                store.set_share(&share, cx.rng);
                // What failed may be mended: the manager has signed a new address, say.
                store.succeeded();
            }
            _ => {
                self.abandon_store(cx);
                self.store = Some(Store::new(peer, &share, cx.rng));
            }
        }
    }

    /// The store is gone; what was in flight from it is asked of others.
    pub fn lose_store(&mut self) -> Vec<Piece> {
        let Some(store) = self.store.take() else {
            return Vec::new();
        };
        self.drop_requests_to(store.peer)
    }

    fn abandon_store(&mut self, cx: &mut Context<'_>) {
        let Some(peer) = self.store.as_ref().map(|store| store.peer) else {
            return;
        };
        for piece in self.lose_store() {
            cx.outputs.push_back(Output::Abandon {
                transfer: self.id,
                peer,
                piece,
            });
        }
    }

    pub fn is_store(&self, peer: Peer) -> bool {
        self.store.as_ref().is_some_and(|store| store.peer == peer)
    }

    fn pulls(&self) -> usize {
        self.requests.iter().filter(|request| request.of_store).count()
    }

    /// Pulls a piece of the own share, if there is one to pull now.
    pub(crate) fn pull_of_share(&mut self, cx: &mut Context<'_>) -> bool {
        let in_flight = self.pulls();
        let Some(store) = &mut self.store else {
            return false;
        };
        let picker = &self.picker;
        let requests = &self.requests;
        let open = |piece| picker.is_open(piece) && requests.of(piece).next().is_none();
        let Some(piece) = store.next_of_share(in_flight, cx.now, open) else {
            return false;
        };
        let peer = store.peer;
        self.pull(piece, peer, cx);
        true
    }

    /// Pulls a piece that no neighbour has, if there has been no work for long enough.
    pub(crate) fn pull_as_last_resort(&mut self, cx: &mut Context<'_>) -> bool {
        let (idle, pulls) = (self.requests.is_empty(), self.pulls());
        let Some(store) = &mut self.store else {
            return false;
        };
        if idle
            && !store.short_of_work(cx.now, self.requests.median_seen(), cx.rng)
            && let Some(until) = store.next_look(cx.now)
        {
            self.wake_at(until, "the store may be turned to");
        }
        let Some(store) = &self.store else { return false };
        if !store.is_elected() || pulls > 0 || store.rests(cx.now) {
            return false;
        }
        // Who has nothing in flight still is refused by all who say that they have the others.
        let any = || self.picker.pick_any().filter(|_| idle);
        let Some(piece) = self.picker.pick_unannounced(cx.rng).or_else(any) else {
            return false;
        };
        let peer = store.peer;
        self.pull(piece, peer, cx);
        true
    }

    /// A neighbour gave us a piece, so there is work. Who was elected stays so while some piece is
    /// announced by nobody.
    pub fn neighbour_gave(&mut self, cx: &mut Context<'_>) {
        if let Some(store) = &mut self.store
            && !(store.is_elected() && self.picker.pick_unannounced(cx.rng).is_some())
        {
            store.patience = Patience::Busy;
        }
    }

    fn pull(&mut self, piece: Piece, peer: Peer, cx: &mut Context<'_>) {
        self.requests.add(Request {
            piece,
            peer,
            asked_at: cx.now,
            late: false,
            came_before: 0,
            of_store: true,
        });
        self.settle(piece);
        cx.outputs.push_back(Output::Fetch {
            transfer: self.id,
            peer,
            piece,
        });
        self.wake_for_requests(cx.now);
    }

    /// The store failed us, or sent wrong bytes.
    pub fn rest_store(&mut self, cx: &mut Context<'_>) {
        if let Some(store) = &mut self.store {
            store.failed(cx.now, cx.rng);
            if let Some(at) = store.next_look(cx.now) {
                self.wake_at(at, "the store may be asked again");
            }
        }
    }
}
