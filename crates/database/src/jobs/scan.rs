//! Where a claim begins to look.
//!
//! A row that was claimed stays in the index until nobody can see it any more: for minutes, if somebody
//! holds a transaction open for so long. Whoever begins at the front walks over all of them for every
//! claim. So a claim begins where the last one ended, and now and then at the front after all, for
//! what came in ahead of that: a higher priority, or a build that was given back.

use std::time::{Duration, Instant};

/// The part of the time that looks from the front may take, as its inverse.
const REST_TO_WORK: u32 = 20;
/// A look that took no longer walked over nothing much, and the next may begin at the front as well.
const QUICK: Duration = Duration::from_millis(5);
/// A build that came in ahead is found after this long at the latest.
const REST_MAX: Duration = Duration::from_secs(2);

/// Where the claims of one process begin.
#[derive(Debug)]
pub(super) struct Scan {
    floor: i64,
    /// From when on a look from the front may be had again.
    front_from: Option<Instant>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            floor: FRONT,
            front_from: None,
        }
    }
}

/// The rank before every build's.
pub(super) const FRONT: i64 = i64::MIN;

impl Scan {
    /// The least rank to look at. A look from the front is one caller's alone until it has ended.
    pub(super) fn begin(&mut self, now: Instant) -> i64 {
        if self.front_from.is_some_and(|from| now < from) {
            return self.floor;
        }
        self.front_from = now.checked_add(REST_MAX);
        FRONT
    }

    /// Something came in ahead: the next look is from the front.
    pub(super) fn came_in_ahead(&mut self) {
        self.front_from = None;
    }

    /// From when on there may be a look from the front again.
    pub(super) fn front_from(&self) -> Option<Instant> {
        self.front_from
    }

    /// Notes that a look from `begin` on, `asked` until `now`, found a build of rank `last`, or none.
    pub(super) fn ended(&mut self, begin: i64, asked: Instant, now: Instant, last: Option<i64>) {
        if begin == FRONT {
            let took = now.duration_since(asked);
            let rest = (took * REST_TO_WORK).min(REST_MAX);
            self.front_from = (took > QUICK).then(|| now.checked_add(rest)).flatten();
        }
        // Looks end in any order: one that began late must not pull the others back.
        if let Some(last) = last
            && (begin == FRONT || last > self.floor)
        {
            self.floor = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_looks_from_the_front_are_rare_and_quick_ones_are_not() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut scan = Scan::default();
        assert_eq!(scan.begin(at(0)), FRONT, "nothing is known yet");
        scan.ended(FRONT, at(0), at(10), Some(7));
        assert_eq!(
            scan.begin(at(209)),
            7,
            "ten milliseconds of work, two hundred of rest"
        );
        scan.ended(7, at(209), at(210), Some(9));
        assert_eq!(scan.begin(at(209)), 9);
        assert_eq!(scan.begin(at(210)), FRONT);
        scan.ended(FRONT, at(210), at(10_210), Some(3));
        assert_eq!(scan.begin(at(10_211)), 3, "what came in ahead is gone on from");
        assert_eq!(
            scan.begin(at(12_210)),
            FRONT,
            "no rest is longer than two seconds"
        );
        scan.ended(FRONT, at(12_210), at(12_215), Some(4));
        assert_eq!(scan.begin(at(12_215)), FRONT, "a quick look needs no rest");
    }

    #[test]
    fn an_empty_look_changes_no_floor() {
        let now = Instant::now();
        let mut scan = Scan::default();
        assert_eq!(scan.begin(now), FRONT);
        assert_eq!(
            scan.begin(now),
            FRONT,
            "one looks from the front, and the other has nowhere else to begin"
        );
        scan.ended(FRONT, now, now + Duration::from_millis(10), Some(5));
        scan.ended(5, now, now + Duration::from_millis(11), None);
        assert_eq!(scan.begin(now + Duration::from_millis(11)), 5);
    }
}
