//! What a region's replication manager tells the control plane: its hosts' instances, folded and
//! batched, only those that changed since the last report was accepted.

use crate::distribution::Distribution;
use crate::{Epoch, HostName, Instance, Labels, RegionName, ServiceName, ZoneName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most instances in one report; a manager with more to say sends several.
pub const REPORT_INSTANCES_MAX: usize = 1_000;
/// The most hosts in one report, with all labels that these may have.
pub const REPORT_HOSTS_MAX: usize = 200;

/// `POST /v1/regions/{region}/report`, by the region's leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionReport {
    /// Which region speaks; compared with the token's.
    pub region: RegionName,
    /// The leader's term. A report of a smaller term than one seen before is refused.
    pub term: i64,
    /// The hosts heard of within the last minute.
    pub hosts_alive: u32,
    /// Bytes that this manager read from the region's store since it began to lead.
    pub store_bytes_read: u64,
    /// What changed.
    pub instances: Vec<HostInstance>,
    /// How far the region's orders have come, one entry a service that it was told of. At most
    /// [`SERVICES_MAX`](crate::host::SERVICES_MAX).
    #[serde(default)]
    pub services: Vec<ServiceWord>,
    /// Hosts that are new, or of whom something else is to be said than before. At most [`REPORT_HOSTS_MAX`].
    #[serde(default)]
    pub hosts: Vec<HostFacts>,
    /// Artifacts under way whose summary changed. At most
    /// [`DISTRIBUTIONS_MAX`](crate::distribution::DISTRIBUTIONS_MAX).
    #[serde(default)]
    pub distributions: Vec<Distribution>,
}

/// What a region's leader says of one service: not of its hosts' health, but of whom it gave which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceWord {
    /// Which service.
    pub service: ServiceName,
    /// The epoch that these numbers are about.
    pub epoch: Epoch,
    /// Hosts that are alive and that the newest release is for, by zone.
    pub hosts: BTreeMap<ZoneName, u64>,
    /// Hosts that are ordered to run it, alive or not.
    pub admitted: u64,
}

/// What is known of one host, whatever it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// Which host.
    pub host: HostName,
    /// Its zone.
    pub zone: ZoneName,
    /// What its configuration says of it.
    pub labels: Labels,
    /// Whether it is heard of.
    pub alive: bool,
}

/// One host's word on one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostInstance {
    /// Which host.
    pub host: HostName,
    /// Its zone.
    pub zone: ZoneName,
    /// What it said.
    pub instance: Instance,
}
