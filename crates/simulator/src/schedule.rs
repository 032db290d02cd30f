//! What is still to happen, in the order of time.

use swarm_core::Time;

/// As many buckets as there are places for the highest bit in which two times differ, and one for
/// equal times.
const BUCKETS: usize = 65;

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
}

impl<E: Copy> Schedule<E> {
    pub fn new() -> Self {
        Self {
            now: 0,
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            taken: 0,
        }
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
    use swarm_core::Time;

    proptest! {
        #[test]
        fn events_come_out_by_time_and_then_as_they_were_added(steps in proptest::collection::vec((0..3u8, 0..5000u64), 0..400)) {
            let mut schedule = Schedule::new();
            let (mut model, mut now) = (Vec::new(), 0);
            for (number, (step, after)) in steps.into_iter().enumerate() {
                if step > 0 {
                    schedule.add(Time(now + after), number);
                    model.push((now + after, number));
                } else {
                    model.sort_unstable();
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(schedule.next().map(|(at, number)| (at.0, number)), expected);
                    now = expected.map_or(now, |(at, _)| at);
                }
            }
        }
    }
}
