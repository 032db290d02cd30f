//! What a node is told when it starts.

use crate::{AuthorityKey, Certificate, Identity};
use std::time::Duration;

/// How a node takes part in its region's swarm. The region is the one of its certificate.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its key.
    pub identity: Identity,
    /// What the region's authority says of it.
    pub certificate: Certificate,
    /// Whom it believes.
    pub authority: AuthorityKey,
    /// Multiaddresses to listen on; `/tcp/0` picks a free port. At most 8.
    pub listen: Vec<String>,
    /// The TCP port for bulk connections, on the addresses of `listen`; 0 picks a free one. Peers are told
    /// which, so it only matters where a firewall wants to know.
    pub bulk_port: u16,
    /// The most established connections, both ways together.
    pub connections_max: u32,
    /// How long a call may take, from the wish to the last byte of the answer.
    pub call_timeout: Duration,
}

impl Config {
    /// A node with the usual limits, which listens on a free port of every IPv4 interface.
    pub fn new(identity: Identity, certificate: Certificate, authority: AuthorityKey) -> Self {
        Self {
            identity,
            certificate,
            authority,
            listen: vec!["/ip4/0.0.0.0/tcp/0".to_owned()],
            bulk_port: 0,
            connections_max: 512,
            call_timeout: Duration::from_secs(30),
        }
    }
}
