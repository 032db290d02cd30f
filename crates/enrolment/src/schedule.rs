//! When a certificate is renewed. Pure: times and chance are arguments.

use jiff::{SignedDuration, Timestamp};

/// A certificate is renewed after two thirds of its life, give or take: early enough that an API that is away
/// for a third of it harms nobody. Kubernetes' kubelet renews between 70% and 90%, Vault's agent at two thirds.
const RENEW_AFTER: f64 = 2.0 / 3.0;
/// So much of its life sooner or later, by chance, so that hosts that were enrolled together don't come back
/// together for ever.
const SPREAD: f64 = 0.05;

/// When to renew a certificate that was got at `since` and ends at `until`. `chance` is from 0 to 1.
///
/// However wrong `since` may be (a file that was copied, a clock that was set), this is before `until`, as long
/// as there is any time left.
pub(crate) fn renewal_due(since: Timestamp, until: Timestamp, now: Timestamp, chance: f64) -> Timestamp {
    let since = since.min(now);
    let share = RENEW_AFTER + SPREAD * (2.0 * chance - 1.0);
    let life = until.duration_since(since).as_secs_f64().max(0.0);
    let wait = SignedDuration::try_from_secs_f64(life * share).unwrap_or_default();
    since.checked_add(wait).unwrap_or(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_certificate_is_renewed_at_about_two_thirds_of_its_life() {
        let due = |chance| renewal_due(at(0), at(3_000), at(10), chance);
        assert_eq!(due(0.5), at(2_000));
        assert_eq!((due(0.0), due(1.0)), (at(1_850), at(2_150)));
    }

    #[test]
    fn a_wrong_beginning_never_makes_it_too_late() {
        for since in [-1_000_000, 0, 999, 5_000, 1_000_000] {
            let due = renewal_due(at(since), at(1_000), at(500), 1.0);
            assert!(due < at(1_000), "{since}: {due}");
        }
    }

    #[test]
    fn a_certificate_that_has_expired_is_overdue() {
        assert!(renewal_due(at(0), at(1_000), at(2_000), 1.0) < at(2_000));
        assert!(renewal_due(at(3_000), at(1_000), at(2_000), 1.0) <= at(2_000));
    }
}
