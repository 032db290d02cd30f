//! The least time in which anybody could distribute a file.

/// What no scheme beats, in seconds: Kumar & Ross, "Peer-assisted file distribution: the minimum
/// distribution time" (2006).
///
/// `max(F/u_s, F/min d, N·F/(u_s + Σ u_i))` for a file of F bytes: the seeds must send every byte
/// once, the slowest host must take in every byte, and all uplinks together must send N copies.
#[must_use]
pub fn least_seconds(bytes: u64, seeds_up: u64, hosts: &[crate::Link]) -> f64 {
    let bytes = bytes as f64;
    let slowest_down = hosts.iter().map(|link| link.down).min().unwrap_or(u64::MAX);
    let all_up = seeds_up as f64 + hosts.iter().map(|link| link.up as f64).sum::<f64>();
    let copies = hosts.len() as f64 * bytes / all_up;
    (bytes / seeds_up as f64)
        .max(bytes / slowest_down as f64)
        .max(copies)
}

#[cfg(test)]
mod tests {
    use super::least_seconds;
    use crate::Link;

    #[test]
    fn each_of_the_three_limits_can_bind() {
        let link = |up, down| Link { up, down };
        assert_eq!(
            least_seconds(1000, 10, &[link(1000, 1000); 4]),
            100.0,
            "the seed's uplink"
        );
        assert_eq!(
            least_seconds(1000, 1000, &[link(1000, 50); 4]),
            20.0,
            "the slowest downlink"
        );
        assert_eq!(
            least_seconds(1000, 100, &[link(25, 1000); 4]),
            20.0,
            "all uplinks together"
        );
    }
}
