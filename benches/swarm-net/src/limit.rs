//! How long a side may take and how often it runs, and how long both should take.

use crate::bound::{least_seconds, seconds_from_one};
use crate::case::Case;
use crate::measure::Run;
use crate::side::Side;
use bench_harness::Estimate;
use bench_peers::Program;
use std::time::Duration;

/// The multiple of the bound at which our side is cut off, and above which another program runs once only: its time is
/// then most of the bench's. libtorrent was published with 2.1.
const SLOW_OVER_BOUND: f64 = 4.0;
/// The multiple of the bound that a swarm takes as a rule.
const LIKELY_OVER_BOUND: f64 = 1.4;
/// Other programs are cut off when they take so many times as long as a copy to each host from the seed alone, whose
/// time is known beforehand.
const MOST_OVER_ALONE: f64 = 1.3;
/// Seconds that a swarm may take beside, however small the content is: to find each other.
const SLACK: f64 = 15.0;
/// Seconds until everything is started, and ended again, as a rule and at the most.
const AROUND: f64 = 4.0;
const AROUND_OURS: f64 = 10.0;
const AROUND_MOST: f64 = 60.0;

/// How long one run of a side may take from the word to begin, where a link carries `rate` bytes a second.
pub(crate) fn limit(case: &Case, side: Side, rate: f64) -> Duration {
    let alone = MOST_OVER_ALONE * seconds_from_one(case.bytes, case.hosts, rate);
    Duration::from_secs_f64(match side {
        Side::Ours => SLOW_OVER_BOUND * least_seconds(case.bytes, case.hosts, rate) + SLACK,
        Side::Other(Program::Http) => alone,
        Side::Other(_) => alone + SLACK,
    })
}

/// How often a side runs that should run so many `rounds`.
pub(crate) fn times(side: Side, runs: &[Run], rounds: usize, bound: f64) -> usize {
    let slow = runs.iter().any(|run| run.over(bound, 1.0) > SLOW_OVER_BOUND);
    if slow && side != Side::Ours {
        rounds.min(1)
    } else {
        rounds
    }
}

/// How long all runs of a side take with all that is around them.
pub(crate) fn estimate(case: &Case, side: Side, rounds: usize) -> Estimate {
    let rate = case.expected_rate();
    let (bound, alone) = (
        least_seconds(case.bytes, case.hosts, rate),
        seconds_from_one(case.bytes, case.hosts, rate),
    );
    let (likely, times) = match side {
        Side::Ours => (AROUND_OURS + LIKELY_OVER_BOUND * bound, rounds),
        Side::Other(Program::Libtorrent | Program::Aria2) => (AROUND + LIKELY_OVER_BOUND * bound, rounds),
        // All hosts of rqbit fetch the same pieces in the same order, and so from the seed.
        Side::Other(Program::Rqbit | Program::Http) => (AROUND + alone, rounds.min(1)),
    };
    let around = Duration::from_secs_f64(AROUND_MOST);
    // All but its last run took no longer than what would have made it the last.
    let one = Estimate {
        likely: Duration::from_secs_f64(likely),
        most: Duration::from_secs_f64(SLOW_OVER_BOUND * bound + SLACK) + around,
    };
    let last = limit(case, side, rate) + around;
    Estimate {
        likely: (one * times).likely,
        most: (one * rounds.saturating_sub(1)).most + last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_given_its_own_time_and_a_swarm_a_multiple_of_the_bound() {
        let case = Case::named("16x1g", false).unwrap();
        let alone = limit(&case, Side::Other(Program::Http), case.bytes as f64);
        assert_eq!(alone.as_secs_f64(), 16.0 * 1.3);
        assert_eq!(limit(&case, Side::Ours, case.bytes as f64).as_secs_f64(), 19.0);
        let of = |side, rounds| estimate(&case, side, rounds);
        assert!(of(Side::Ours, 3).likely < of(Side::Ours, 3).most);
        let slow = Side::Other(Program::Http);
        assert_eq!(of(slow, 1).likely, of(slow, 3).likely);
        assert!(of(slow, 3).most < of(slow, 1).most * 2);
    }
}
