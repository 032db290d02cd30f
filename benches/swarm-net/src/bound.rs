//! The least possible time.

/// Seconds in which no scheme can bring `bytes` from one seed to all of `hosts`, where each of them sends and receives
/// at `rate` bytes a second: `max(F/u_s, F/d, N·F/(u_s + N·u))` (Kumar & Ross 2006).
pub(crate) fn least_seconds(bytes: u64, hosts: u16, rate: f64) -> f64 {
    let (bytes, hosts) = (bytes as f64, f64::from(hosts));
    let once = bytes / rate;
    let all = hosts * bytes / (rate + hosts * rate);
    once.max(all)
}

/// Seconds in which one seed brings `bytes` to all of `hosts` if nobody else gives anything.
pub(crate) fn seconds_from_one(bytes: u64, hosts: u16, rate: f64) -> f64 {
    bytes as f64 * f64::from(hosts) / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_equal_links_the_seed_must_send_everything_once() {
        assert_eq!(least_seconds(1_000, 8, 100.0), 10.0);
        assert_eq!(least_seconds(1_000, 1, 100.0), 10.0);
    }
}
