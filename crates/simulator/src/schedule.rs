//! What is still to happen, in the order of time.

use swarm_core::Time;

/// As many buckets as there are places for the highest bit in which two times differ, and one for
/// equal times.
const BUCKETS: usize = 65;
/// So many events are said to come soon at a time.
const SOON_MAX: usize = 32;

/// A radix heap (Ahuja, Mehlhorn, Orlin & Tarjan, "Faster algorithms for the shortest path problem",
/// 1990): a queue for times that never run backwards. An event lies in the bucket of the highest
/// bit in which its time differs from the present; when the first bucket is empty, the next that is
/// not is dealt out again. An event moves 64 times at most, in practice a few, and always forward
/// through memory, where a binary heap jumps about in it.
///
/// Events of one time stand in one bucket, in the order in which they were added, and so come out.
#[derive(Debug)]
pub struct Schedule<E> {
    now: u64,
    buckets: Vec<Vec<(u64, E)>>,
    /// How many of the first bucket came out already.
    taken: usize,
    /// Some of what comes out next.
    soon: Vec<E>,
    /// Until when it is known.
    soon_until: u64,
}

impl<E: Copy> Schedule<E> {
    pub fn new() -> Self {
        Self {
            now: 0,
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            taken: 0,
            soon: Vec::new(),
            soon_until: 0,
        }
    }

    /// Replaces `soon` by some of what comes out next, in no order, at most [`SOON_MAX`]; false if there is none that it
    /// did not say before. No event comes up twice, and nearly all do, but for those that are added just before they
    /// happen.
    pub fn take_soon(&mut self, soon: &mut Vec<E>) -> bool {
        soon.clear();
        std::mem::swap(&mut self.soon, soon);
        !soon.is_empty()
    }

    /// Adds an event; one that is too late happens now.
    pub fn add(&mut self, at: Time, event: E) {
        let at = at.0.max(self.now);
        self.buckets[bucket(at, self.now)].push((at, event));
    }

    /// The next event.
    pub fn next(&mut self) -> Option<(Time, E)> {
        if self.taken == self.buckets[0].len() {
            self.refill()?;
        }
        if self.taken.is_multiple_of(SOON_MAX) && self.now > self.soon_until {
            // A crowd at one moment comes up a part at a time.
            let rest = self.buckets[0][self.taken..].iter().take(SOON_MAX);
            self.soon.clear();
            self.soon.extend(rest.map(|(_, event)| event));
        }
        let (at, event) = self.buckets[0][self.taken];
        self.taken += 1;
        Some((Time(at), event))
    }

    /// Brings the events of the earliest time into the first bucket.
    fn refill(&mut self) -> Option<()> {
        self.buckets[0].clear();
        self.taken = 0;
        let first = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
        let mut events = std::mem::take(&mut self.buckets[first]);
        self.now = events.iter().map(|(at, _)| *at).min()?;
        if events.len() <= SOON_MAX && self.now > self.soon_until {
            self.soon.clear();
            self.soon.extend(events.iter().map(|(_, event)| event));
            self.soon_until = events.iter().map(|(at, _)| *at).max()?;
        }
        for &(at, event) in &events {
            self.buckets[bucket(at, self.now)].push((at, event));
        }
        events.clear();
        self.buckets[first] = events; // keeps its memory for later
        Some(())
    }
}

fn bucket(at: u64, now: u64) -> usize {
    64 - (at ^ now).leading_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use swarm_core::Time;

    proptest! {
        #[test]
        fn events_come_out_by_time_and_then_as_they_were_added(steps in proptest::collection::vec((0..3u8, 0..5000u64), 0..400)) {
            let mut schedule = Schedule::new();
            let (mut model, mut now) = (Vec::new(), 0);
            let (mut soon, mut came_up) = (Vec::new(), BTreeSet::new());
            for (number, (step, after)) in steps.into_iter().enumerate() {
                if step > 0 {
                    schedule.add(Time(now + after), number);
                    model.push((now + after, number));
                } else {
                    model.sort_unstable();
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(schedule.next().map(|(at, number)| (at.0, number)), expected);
                    now = expected.map_or(now, |(at, _)| at);
                    schedule.take_soon(&mut soon);
                    for &number in &soon {
                        prop_assert!(came_up.insert(number), "{number} comes up twice");
                        prop_assert!(expected.is_some_and(|(_, it)| it == number) || model.iter().any(|(_, it)| *it == number));
                    }
                }
            }
        }
    }
}
