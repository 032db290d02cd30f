//! Whom to ask for which piece, now; and what happens when that takes too long.

use crate::picker::PLACES_MAX;
use crate::requests::{Overdue, Request};
use crate::transfer::{Context, Transfer};
use crate::{Output, Piece, Role, Time, end_game};
use rand::Rng;

impl Transfer {
    /// Asks for one piece. False if there is nothing to ask for, or nobody to ask it of.
    pub fn ask(&mut self, cx: &mut Context<'_>) -> bool {
        self.pull_of_share(cx) || self.ask_a_neighbour(cx) || self.pull_as_last_resort(cx)
    }

    fn ask_a_neighbour(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(index) = self.next_source(cx) {
            if let Some(piece) = self.choose(index, cx) {
                self.fetch(index, piece, cx);
                return true;
            }
            self.promising &= !(1 << index);
        }
        false
    }

    /// The neighbour to ask next. Seeds come first: until their first pass is over, what they offer
    /// is held by nobody else, and their uplink is what everybody waits for. Then whoever has the
    /// least to do for us, and of those the **less busy of two at random**: Mitzenmacher, "The power of
    /// two choices in randomized load balancing" (2001). The busiest queues stay short with two draws,
    /// and, unlike with the least busy of all, not everybody runs to the same one before word gets round.
    fn next_source(&self, cx: &mut Context<'_>) -> Option<usize> {
        let requests_max = self.requests_per_neighbour(cx);
        let mut best = None;
        // The places of those who are equally good, a bit each.
        let mut equals = 0_u64;
        let mut left = self.promising;
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            let neighbour = &self.neighbours[place];
            if !neighbour.is_ready(cx.now, requests_max) {
                continue;
            }
            let key = (neighbour.role != Role::Seed, neighbour.in_flight);
            if best.is_none_or(|best| key < best) {
                (best, equals) = (Some(key), 0);
            }
            if best == Some(key) {
                equals |= 1 << place;
            }
        }
        let mut draw = || {
            let place = nth_one(equals, random_below(cx.rng, equals.count_ones()))?;
            equals &= !(1 << place);
            Some(place)
        };
        let drawn = [draw(), draw()];
        drawn
            .into_iter()
            .flatten()
            .min_by_key(|&place| self.neighbours[place].waiting)
    }

    /// How many requests one neighbour may have from us: what should be in flight, shared out between all who have
    /// something for us. That is one, unless few have or they are far away.
    fn requests_per_neighbour(&self, cx: &Context<'_>) -> usize {
        let sources = self.promising.count_ones().max(1) as usize;
        let share = cx.flow.window() / sources;
        share.clamp(1, cx.config.fetches_per_peer_max.max(1))
    }

    fn choose(&self, index: usize, cx: &mut Context<'_>) -> Option<Piece> {
        let peer = self.neighbours[index].peer;
        if self.picker.open_count() == 0 {
            return end_game::choose(&self.requests, &self.picker, (index, peer), cx.now);
        }
        let may = |piece| !self.requests.contains(piece, peer);
        self.picker.pick(cx.rng, index, may)
    }

    fn fetch(&mut self, index: usize, piece: Piece, cx: &mut Context<'_>) {
        let peer = self.neighbours[index].peer;
        let neighbour = &mut self.neighbours[index];
        neighbour.in_flight += 1;
        neighbour.waiting = neighbour.waiting.saturating_add(1);
        self.requests.add(Request {
            piece,
            peer,
            asked_at: cx.now,
            late: false,
            came_before: cx.flow.came,
            of_store: false,
        });
        self.settle(piece);
        cx.outputs.push_back(Output::Fetch {
            transfer: self.id,
            peer,
            piece,
        });
        self.wake_for_requests(cx.now);
    }

    /// Looks at everything that waits for its time. Called at the alarm.
    pub fn on_alarm(&mut self, cx: &mut Context<'_>) {
        self.alarm = None;
        self.announce_soon(cx);
        self.drop_overdue(cx);
        self.offer_to_all(cx);
        if self.picker.open_count() == 0 {
            // What is in flight for longer than usual may be asked for twice now.
            let others = PLACES_MAX - self.neighbours.len();
            self.promising = u64::MAX.checked_shr(others as u32).unwrap_or(0);
        }
        self.wake_for_requests(cx.now);
        let resting = self.neighbours.iter().map(|neighbour| neighbour.resting_until);
        if let Some(until) = resting
            .filter(|&until| until > cx.now)
            .min()
            .filter(|_| self.wants_pieces())
        {
            self.wake_at(until, "a neighbour may be asked again");
        }
        if let Some(at) = self.store.as_ref().and_then(|store| store.next_look(cx.now))
            && self.wants_pieces()
        {
            self.wake_at(at, "the store may be asked again");
        }
    }

    /// Asks elsewhere for what is late, and gives up what is hopeless and can come from elsewhere.
    fn drop_overdue(&mut self, cx: &mut Context<'_>) {
        let overdue: Vec<_> = self
            .requests
            .iter()
            .filter_map(|request| Some((*request, self.requests.overdue(request, cx.now)?)))
            .collect();
        for (request, how) in overdue {
            if how == Overdue::Hopeless && self.has_other_source(request.piece, request.peer) {
                self.take_request(request.piece, request.peer);
                self.requests.learn(cx.now.since(request.asked_at));
                cx.outputs.push_back(Output::Abandon {
                    transfer: self.id,
                    peer: request.peer,
                    piece: request.piece,
                });
                if let Some(neighbour) = self
                    .index_of(request.peer)
                    .map(|index| &mut self.neighbours[index])
                {
                    neighbour.failed(cx.now, cx.rng);
                }
            } else if self.requests.mark_late(request.piece, request.peer)
                && let Some(neighbour) = self.neighbour(request.peer)
            {
                neighbour.late += 1;
            }
            self.settle(request.piece);
        }
    }

    fn has_other_source(&self, piece: Piece, peer: crate::Peer) -> bool {
        let holders = self.picker.holders(piece);
        let own = self.index_of(peer).map_or(0, |place| 1 << place);
        holders & !own != 0
    }

    pub fn wake_for_requests(&mut self, now: Time) {
        if self.picker.open_count() == 0
            && let Some(at) = end_game::next_choice(&self.requests, now)
        {
            self.wake_at(at, "a last piece may be asked for twice");
        }
        if let Some(at) = self.requests.next_overdue(now) {
            self.wake_at(at, "a request takes too long");
        }
    }
}

/// A number below `count`, nearly evenly; 0 if there is none. One word of chance: Lemire, "Fast random integer
/// generation in an interval" (2019), whose bias for a count below 64 is less than one in 60 million.
fn random_below(rng: &mut impl Rng, count: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(count)) >> 32) as u32
}

/// The place of the `n`th bit that is 1, counted from 0.
fn nth_one(mut bits: u64, n: u32) -> Option<usize> {
    for _ in 0..n {
        bits &= bits.wrapping_sub(1);
    }
    (bits != 0).then(|| bits.trailing_zeros() as usize)
}
