//! What the machine says of its ports.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;

/// Whether nothing on this machine listens on the port, at whichever address. It is free when this returns, and not
/// reserved: whoever needs that keeps a list, and looks again when a program finds its port in use.
pub fn is_free(port: u16) -> bool {
    // On a machine without IPv6 nothing listens there.
    let taken_there = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    !taken_there && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// The ports that the kernel gives to connections by itself (ip(7), `ip_local_port_range`): one that is free now may be
/// the near end of somebody's connection a moment later.
pub fn ephemeral() -> io::Result<RangeInclusive<u16>> {
    let text = fs_err::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut bounds = text.split_ascii_whitespace().map(str::parse);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
        _ => Err(io::Error::other(format!(
            "the kernel's range of ports is unclear: {text:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_listened_on_at_any_address_is_not_free() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            // Not every machine has IPv6.
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            assert!(!is_free(port), "{address}");
        }
    }

    #[test]
    fn the_kernels_own_ports_hold_those_that_it_gives_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(ephemeral().unwrap().contains(&port));
    }
}
