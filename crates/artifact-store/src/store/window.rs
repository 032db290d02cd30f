//! How many parts of one transfer are on their way at once. A state machine: it sends nothing and reads no clock.
//!
//! Additive increase and multiplicative decrease (Chiu & Jain 1989): each round trip in which the store takes
//! everything adds a part, and a refusal (a throttled request, a connection that broke, an answer that never came)
//! halves their number, once for all that were on their way together. Latency is looked at as TCP Vegas does (Brakmo &
//! Peterson 1995): where a part takes longer than the fastest one did, `size × (1 − fastest / took)` parts are waiting in
//! some queue and not on their way, and more of them would only wait.

use super::PARTS_IN_FLIGHT;
use std::time::Duration;

/// A transfer begins with so many.
const SIZE_FIRST: f64 = 2.0;
const SIZE_MIN: f64 = 1.0;
const SIZE_MAX: f64 = PARTS_IN_FLIGHT as f64;
/// What a refusal leaves.
const DECREASE: f64 = 0.5;
/// With fewer parts waiting in queues than this there may be more of them; with more than the other, fewer. These are
/// Vegas' α and β.
const WAITING_FEW: f64 = 1.0;
const WAITING_MANY: f64 = 3.0;
/// What each answer adds to the fastest time, so that a store that became slower for good is not taken for a queue.
const FORGETTING: f64 = 1.01;

/// The window of one transfer.
#[derive(Debug)]
pub(super) struct Window {
    size: f64,
    /// Parts that were begun.
    begun: u64,
    /// What was begun before this was on its way when the window was last halved.
    halved_before: u64,
    /// What a part takes when nothing is in its way, in seconds.
    fastest: Option<f64>,
}

/// One part on its way, counted from 0 in the order in which they began.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnItsWay(u64);

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            size: SIZE_FIRST,
            begun: 0,
            halved_before: 0,
            fastest: None,
        }
    }

    /// How many may be on their way now: 1 to [`PARTS_IN_FLIGHT`].
    pub(super) fn size(&self) -> usize {
        // Kept within 1 and SIZE_MAX.
        self.size as usize
    }

    /// A part begins, or begins again.
    pub(super) fn begin(&mut self) -> OnItsWay {
        self.begun += 1;
        OnItsWay(self.begun - 1)
    }

    /// The store took a part of full length.
    pub(super) fn taken(&mut self, took: Duration) {
        let took = took.as_secs_f64().max(f64::EPSILON);
        let fastest = self
            .fastest
            .map_or(took, |fastest| took.min(fastest * FORGETTING));
        self.fastest = Some(fastest);
        let waiting = self.size * (1.0 - fastest / took);
        // A whole window of answers changes it by one.
        if waiting < WAITING_FEW {
            self.resize(self.size + 1.0 / self.size);
        } else if waiting > WAITING_MANY {
            self.resize(self.size - 1.0 / self.size);
        }
    }

    /// The store did not take a part, and might later.
    pub(super) fn refused(&mut self, part: OnItsWay) {
        if part.0 >= self.halved_before {
            self.halved_before = self.begun;
            self.resize(self.size * DECREASE);
        }
    }

    fn resize(&mut self, size: f64) {
        self.size = size.clamp(SIZE_MIN, SIZE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUICK: Duration = Duration::from_millis(100);

    fn grown() -> Window {
        let mut window = Window::new();
        (0..100).for_each(|_| window.taken(QUICK));
        window
    }

    #[test]
    fn a_store_that_takes_everything_gets_more_up_to_the_limit() {
        let mut window = Window::new();
        let first = window.size();
        window.taken(QUICK);
        window.taken(QUICK);
        window.taken(QUICK);
        assert_eq!(window.size(), first + 1, "a round of answers adds one");
        assert_eq!(grown().size(), PARTS_IN_FLIGHT);
    }

    #[test]
    fn refusals_of_one_round_halve_once_and_those_of_the_next_again() {
        let mut window = grown();
        let round: Vec<_> = (0..4).map(|_| window.begin()).collect();
        round.into_iter().for_each(|part| window.refused(part));
        assert_eq!(window.size(), PARTS_IN_FLIGHT / 2);
        let again = window.begin();
        window.refused(again);
        assert_eq!(window.size(), (PARTS_IN_FLIGHT / 4).max(1));
    }

    #[test]
    fn parts_that_would_only_wait_are_not_sent() {
        let mut window = grown();
        // Everything takes as much longer as there is more of it: one at a time would be as good.
        for _ in 0..30 {
            let took = QUICK * u32::try_from(window.size()).unwrap() * 4;
            window.taken(took);
        }
        assert!(window.size() < PARTS_IN_FLIGHT, "{window:?}");
    }

    #[test]
    fn a_store_that_became_slower_for_good_is_used_as_fully_again() {
        let mut window = grown();
        (0..1_000).for_each(|_| window.taken(QUICK * 10));
        assert_eq!(window.size(), PARTS_IN_FLIGHT);
    }

    proptest! {
        #[test]
        fn whatever_happens_something_may_be_sent_and_never_too_much(
            events in prop::collection::vec((any::<bool>(), 0u64..10_000), 0..500),
        ) {
            let mut window = Window::new();
            for (is_taken, milliseconds) in events {
                let part = window.begin();
                if is_taken {
                    window.taken(Duration::from_millis(milliseconds));
                } else {
                    window.refused(part);
                }
                prop_assert!((1..=PARTS_IN_FLIGHT).contains(&window.size()));
            }
        }
    }
}
