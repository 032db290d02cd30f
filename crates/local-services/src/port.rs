//! Loopback ports that stay the same over restarts where they can.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where ports are looked for: below those that the system gives to outgoing connections (Linux: 32,768 and up). Among
/// these, somebody's connection may take a port after it was found free and hold it for hours.
const PORTS: Range<u16> = 10_000..20_000;
/// How far apart two processes begin to look, so that two which start at the same time don't find the same.
const PORTS_A_PROCESS: u32 = 61;

/// A loopback TCP port that nobody listens on now, another one each time.
///
/// # Errors
/// If all are in use.
pub fn free_port() -> io::Result<u16> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let from = std::process::id().wrapping_mul(PORTS_A_PROCESS);
    for _ in PORTS {
        let place = from.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        // Within the range, so it fits.
        let port = PORTS.start + place as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// The port noted in `file`, if it is still free; else a free one, which is noted there. Clients that
/// know the address from an earlier start find the server again.
pub fn remembered_port(file: &Path) -> io::Result<u16> {
    let noted = fs_err::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = noted
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    {
        return Ok(port);
    }
    let port = free_port()?;
    fs_err::write(file, port.to_string())?;
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_nor_one_that_is_listened_on() {
        let next = free_port().unwrap() + 1;
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, next));
        let more: Vec<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        assert!(more.iter().all(|port| PORTS.contains(port) && *port != next));
        assert!(more.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
