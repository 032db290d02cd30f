//! The sockets that a node listens on.

use crate::Error;
use crate::behaviour::Behaviour;
use crate::handle::parse_address;
use futures::StreamExt;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// Addresses that a node listens on.
const LISTENERS_MAX: usize = 8;
/// How long an operating system may take to open a listening socket.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the listening sockets; the addresses that they have.
pub(super) async fn listen(
    network: &mut libp2p::Swarm<Behaviour>,
    wanted: &[String],
) -> Result<Vec<String>, Error> {
    if wanted.len() > LISTENERS_MAX {
        return Err(Error::TooMany {
            what: "addresses to listen on",
            max: LISTENERS_MAX,
        });
    }
    let mut opening = HashMap::new();
    for address in wanted {
        let failed = |reason: String| Error::Listen {
            address: address.clone(),
            reason,
        };
        let listener = network
            .listen_on(parse_address(address)?)
            .map_err(|error| failed(whole(&error)))?;
        opening.insert(listener, failed);
    }
    let deadline = Instant::now() + LISTEN_TIMEOUT;
    while let Some(failed) = opening.values().next() {
        let event = tokio::time::timeout_at(deadline, network.select_next_some());
        match event.await.map_err(|_| failed("it took too long".to_owned()))? {
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                opening.remove(&listener_id);
            }
            SwarmEvent::ListenerClosed { reason, .. } => return Err(failed(format!("{reason:?}"))),
            _ => {}
        }
    }
    Ok(network.listeners().map(ToString::to_string).collect())
}

/// What an error says, and what it stems from: libp2p's own of this kind says nothing by itself.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let said = causes.map(ToString::to_string).filter(|said| !said.is_empty());
    said.collect::<Vec<_>>().join(": ")
}

/// The IP addresses of these multiaddresses, each once. The IPv6 address of every interface takes IPv4
/// connections too, so it stands for all.
pub(super) fn ips(addresses: &[String]) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = addresses
        .iter()
        .filter_map(|text| ip_of(&parse_address(text).ok()?))
        .collect();
    ips.sort_unstable();
    ips.dedup();
    let every = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if ips.contains(&every) { vec![every] } else { ips }
}

/// The IP address in a multiaddress.
pub(super) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}
