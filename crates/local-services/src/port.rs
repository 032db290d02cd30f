//! Loopback ports that stay the same over restarts where they can.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// A loopback TCP port that nobody listens on now.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The port noted in `file`, if it is still free; else a free one, which is noted there. Clients that
/// know the address from an earlier start find the server again.
pub fn remembered_port(file: &Path) -> std::io::Result<u16> {
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
