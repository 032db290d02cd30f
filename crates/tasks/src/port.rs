//! A port for a task to listen on.

use crate::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

/// The first port of `range` that nothing on this machine listens on and that `taken` does not hold.
///
/// The port is free when this returns, and not reserved: the caller passes as `taken` those that it
/// handed out and that may not be listened on yet, and tries again when a task finds its port in use.
pub fn free_port(range: RangeInclusive<u16>, taken: &[u16]) -> Result<u16, Error> {
    let (first, last) = (*range.start(), *range.end());
    range
        .filter(|port| !taken.contains(port))
        .find(|&port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
        .ok_or(Error::NoFreePort { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_listened_on_or_taken_is_passed_over() {
        // Three neighbouring ports that are free now; a busy machine may need several looks.
        let start = (20_000..60_000)
            .step_by(3)
            .find(|&port| (port..port + 3).all(|p| TcpListener::bind((Ipv4Addr::UNSPECIFIED, p)).is_ok()))
            .unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, start)).unwrap();
        assert_eq!(free_port(start..=start + 2, &[start + 1]).unwrap(), start + 2);
        let none = free_port(start..=start + 1, &[start + 1]).unwrap_err();
        assert!(none.to_string().contains("no free port"), "{none}");
    }
}
