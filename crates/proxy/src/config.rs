//! What a proxy is started with.

use crate::route;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// A proxy's configuration. The limits are for the whole process unless they say otherwise.
#[derive(Debug, Clone)]
pub struct Config {
    /// The proxy's own folder, where it keeps what it was told.
    pub folder: PathBuf,
    /// Where it is told; only the owner may open this socket.
    pub control_socket: PathBuf,
    /// The address on which stable ports are opened.
    pub listen: IpAddr,
    /// How many threads move bytes.
    pub threads: usize,
    /// Connections of clients; more wait in the kernel's queue.
    pub connections_max: usize,
    /// The longest head of a request, in bytes.
    pub head_bytes_max: usize,
    /// What may be on its way, a service.
    pub limits: route::Limits,
    /// How long a paused request waits.
    pub hold_max: Duration,
    /// How long a client's connection may be without a request, or take for a request's head.
    pub idle_max: Duration,
    /// How long a connection to a target may take; loopback answers at once or not at all.
    pub connect_max: Duration,
    /// How long a target may take until its response begins.
    pub answer_max: Duration,
    /// How long a proxy that was replaced or told to stop waits for its connections to end.
    pub drain_max: Duration,
    /// How long it waits for upgraded ones.
    pub tunnels_max: Duration,
}

impl Config {
    /// With the limits that suit a host, and everything of its own in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            control_socket: folder.join("control.sock"),
            folder,
            listen: Ipv4Addr::UNSPECIFIED.into(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            connections_max: 16_384,
            head_bytes_max: 64 * 1024,
            limits: route::Limits {
                held_max: 1_024,
                in_flight_max: 8_192,
            },
            hold_max: Duration::from_secs(30),
            idle_max: Duration::from_secs(75),
            connect_max: Duration::from_secs(2),
            answer_max: Duration::from_secs(300),
            drain_max: Duration::from_secs(60),
            tunnels_max: Duration::from_secs(300),
        }
    }
}
