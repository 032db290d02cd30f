//! What the parts of a `starling dev` are called, and what is said of its hosts.

use model::labels::InvalidLabel;
use model::{HostName, Labels, RegionName, ZoneName};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Names as a cloud has them, for as many regions as `starling dev` may have.
const REGIONS: [&str; 10] = [
    "us-east-1",
    "eu-west-1",
    "ap-south-1",
    "us-west-2",
    "eu-central-1",
    "ap-northeast-1",
    "sa-east-1",
    "ca-central-1",
    "af-south-1",
    "me-south-1",
];

/// The first `count` regions.
pub fn regions(count: u16) -> anyhow::Result<Vec<RegionName>> {
    REGIONS
        .iter()
        .take(count.into())
        .map(|name| name.parse().map_err(anyhow::Error::from))
        .collect()
}

/// A region's manager.
pub fn manager(number: u16) -> anyhow::Result<HostName> {
    Ok(format!("manager-{number}").parse()?)
}

/// A region's host, counted from 0.
pub fn host(number: u16) -> anyhow::Result<HostName> {
    Ok(format!("host-{}", number + 1).parse()?)
}

/// Two zones a region, so that the neighbours' rule has something to choose from.
pub fn zone(region: &RegionName, number: u16) -> anyhow::Result<ZoneName> {
    let letter = if number.is_multiple_of(2) { "a" } else { "b" };
    Ok(format!("{region}{letter}").parse()?)
}

/// Where a host's services are found: hosts share this machine, so each has a loopback address of its own, 127.1.R.H,
/// region and host counted from 1.
pub fn address(region: usize, number: u16) -> anyhow::Result<Ipv4Addr> {
    Ok(Ipv4Addr::new(
        127,
        1,
        u8::try_from(region + 1)?,
        u8::try_from(number + 1)?,
    ))
}

/// The first host of each region is the one that dares something first.
pub fn labels(number: u16) -> Result<Labels, InvalidLabel> {
    let ring = if number == 0 { "canary" } else { "fleet" };
    BTreeMap::from([("ring".parse()?, ring.parse()?)]).try_into()
}

/// A build worker, counted from 1.
pub fn worker(number: u16) -> String {
    format!("worker-{number}")
}
