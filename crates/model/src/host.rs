//! What a host and its region's replication manager say to each other.
//!
//! A host asks, with everything it knows about itself; the manager answers with everything the host
//! should do. Both are whole states, never differences, so a lost message costs only time. A host
//! asks every few seconds, and at once when the manager's hint says that something changed.

use crate::control::RegionControls;
use crate::distribution::Arrival;
use crate::{ArtifactId, DesiredService, HostName, Instance, Labels, PeerName, ZoneName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most services on one host.
pub const SERVICES_MAX: usize = 256;
/// The most neighbours that a manager hands to a host.
pub const NEIGHBOURS_MAX: usize = 40;
/// The most revoked peers that a manager names to a host.
pub const HOST_REVOKED_MAX: usize = 256;
/// The most artifacts whose place in the region's store a host is told; it fetches fewer at a time.
pub const STORE_OFFERS_MAX: usize = 16;
/// The longest address of an artifact in a store, in bytes.
pub const STORE_ADDRESS_LENGTH_MAX: usize = 4096;

/// A host's report, which is also its request for orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// Who speaks; compared with the certificate of the connection.
    pub host: HostName,
    /// Where it stands.
    pub zone: ZoneName,
    /// What its configuration says of it.
    pub labels: Labels,
    /// The multiaddresses at which other hosts can dial it. At most 4.
    pub addresses: Vec<String>,
    /// One entry a service, at most [`SERVICES_MAX`].
    pub instances: Vec<Instance>,
    /// Artifacts that this host holds whole and can serve. At most [`SERVICES_MAX`].
    pub complete: Vec<ArtifactId>,
    /// How the artifacts that its orders name come, newest order first. At most
    /// [`ARRIVALS_MAX`](crate::distribution::ARRIVALS_MAX).
    pub arrivals: Vec<Arrival>,
    /// What keeps this host from fetching anything, such as a full disk. At most
    /// [`REASON_LENGTH_MAX`](crate::instance::REASON_LENGTH_MAX) bytes.
    pub trouble: Option<String>,
}

/// What a host may ask its manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostRequest {
    /// Here is how I am; what shall I do?
    Report(HostReport),
    /// The signed manifest of an artifact that the orders name.
    Manifest(ArtifactId),
}

/// The manager's answer to a [`HostRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostResponse {
    /// The answer to a report.
    Orders(HostOrders),
    /// The signed manifest's bytes, as the store holds them; the host checks the signature itself.
    Manifest(Vec<u8>),
    /// This manager stands by; ask another.
    StandingBy,
    /// The request was refused, and why.
    Refused(String),
}

/// Everything a host should do, from the manager that leads its region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOrders {
    /// The manager's term; a host refuses a smaller one than it has seen.
    pub term: i64,
    /// Every service of the region, at most [`SERVICES_MAX`].
    pub services: Vec<DesiredService>,
    /// What operators said about the region's distributions; a host refuses a smaller epoch than it has seen.
    pub controls: RegionControls,
    /// Peers to exchange pieces with, at most [`NEIGHBOURS_MAX`]; the manager itself is one.
    pub neighbours: Vec<Neighbour>,
    /// Where the region's store holds what this host lacks, and which part of it the host should read
    /// there. At most [`STORE_OFFERS_MAX`].
    pub store: Vec<StoreOffer>,
    /// Peers that a host must not talk to, whatever certificate they show: those revoked last, at most
    /// [`HOST_REVOKED_MAX`]. The managers know all of them and make none anybody's neighbour.
    pub revoked: Vec<PeerName>,
}

/// One artifact in the region's store, for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreOffer {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// Answers a GET with the artifact's content, also with a part of it by `Range`.
    pub address: SecretAddress,
    /// How long the address will be good for, in seconds from now. Not a moment, so that no two clocks
    /// have to agree.
    pub valid_for_seconds: u32,
    /// The host's share, one bit a slot: see `swarm_core::store_share`. The shares of all hosts of a region
    /// together are all slots, each once. Without a bit the store is only for what no other host has.
    pub slots: u64,
}

/// An address that opens something to whoever knows it. Its debug form doesn't show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretAddress(String);

impl SecretAddress {
    /// The address itself; for a request only, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretAddress {
    fn from(address: String) -> Self {
        Self(address)
    }
}

impl fmt::Debug for SecretAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretAddress(…)")
    }
}

/// A peer that a host should be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its name, for people.
    pub host: HostName,
    /// Its libp2p peer id, in the usual text form.
    pub peer: String,
    /// Where to dial it. At most 4.
    pub addresses: Vec<String>,
}
