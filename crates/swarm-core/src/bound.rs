//! The least time in which anybody could distribute a file.

/// What is known of the links of those who take part, in bytes a second. What is not known is infinite, and
/// then limits nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Links {
    /// The uplinks of all seeds together.
    pub seeds_up: f64,
    /// The downlink of the slowest host.
    pub slowest_down: f64,
    /// The uplinks of all hosts together.
    pub hosts_up: f64,
}

/// What no scheme beats, in seconds: Kumar & Ross, "Peer-assisted file distribution: the minimum
/// distribution time" (2006).
///
/// `max(F/u_s, F/min d, N·F/(u_s + Σ u_i))` for a file of F bytes and N hosts: the seeds must send every
/// byte once, the slowest host must take in every byte, and all uplinks together must send N copies.
#[must_use]
pub fn least_seconds(bytes: u64, hosts: usize, links: &Links) -> f64 {
    let bytes = bytes as f64;
    let copies = hosts as f64 * bytes / (links.seeds_up + links.hosts_up);
    (bytes / links.seeds_up)
        .max(bytes / links.slowest_down)
        .max(copies)
}

#[cfg(test)]
mod tests {
    use super::{Links, least_seconds};

    #[test]
    fn each_of_the_three_limits_can_bind() {
        let four = |seeds_up, up: f64, slowest_down| Links {
            seeds_up,
            slowest_down,
            hosts_up: 4.0 * up,
        };
        let least = |links| least_seconds(1000, 4, &links);
        assert_eq!(least(four(10.0, 1000.0, 1000.0)), 100.0, "the seed's uplink");
        assert_eq!(least(four(1000.0, 1000.0, 50.0)), 20.0, "the slowest downlink");
        assert_eq!(least(four(100.0, 25.0, 1000.0)), 20.0, "all uplinks together");
    }

    #[test]
    fn what_is_not_known_limits_nothing() {
        let unknown = Links {
            seeds_up: f64::INFINITY,
            slowest_down: f64::INFINITY,
            hosts_up: f64::INFINITY,
        };
        assert_eq!(least_seconds(1000, 4, &unknown), 0.0);
    }
}
