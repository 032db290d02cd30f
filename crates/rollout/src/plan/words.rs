//! What is missing, in words for people.

use crate::region::Region;
use std::fmt::Write;

/// Joins what there is to say of each region: `us-east-1 3 of 4; eu-west-1 is silent`.
fn each(regions: &[Region], say: impl Fn(&Region) -> Option<String>) -> String {
    regions.iter().filter_map(say).collect::<Vec<_>>().join("; ")
}

/// Where hosts lack something: `us-east-1 3 of 4 hosts staged; eu-west-1 is silent`.
pub(super) fn shortfall(regions: &[Region], done: fn(&Region) -> u64, verb: &str) -> String {
    each(regions, |region| {
        let hosts = region.hosts();
        if let Some(closed) = closed(region) {
            return Some(closed);
        }
        if hosts == 0 {
            return Some(format!("{} has no hosts", region.name));
        }
        let mut text = format!(
            "{} {} of {hosts} hosts {verb}",
            region.name,
            done(region).min(hosts)
        );
        if let Some(error) = &region.error {
            // Writing to a string cannot fail.
            let _ = write!(text, " ({error})");
        }
        (done(region) < hosts).then_some(text)
    })
}

/// Regions that cannot be moved.
pub(super) fn missing(regions: &[Region]) -> String {
    each(regions, |region| {
        closed(region).or_else(|| (region.hosts() == 0).then(|| format!("{} has no hosts", region.name)))
    })
}

fn closed(region: &Region) -> Option<String> {
    match (region.told, region.heard) {
        (false, _) => Some(format!("{} could not be told yet", region.name)),
        (true, false) => Some(format!("{} is silent", region.name)),
        (true, true) => None,
    }
}

/// Where hosts are on their way.
pub(super) fn on_their_way(regions: &[Region]) -> String {
    let text = each(regions, |region| {
        let under_way = region.on_their_way();
        (under_way > 0).then(|| format!("{} {under_way}", region.name))
    });
    format!("waiting until they are healthy: {text}")
}

/// Where hosts do not have the release ready beside what serves.
pub(super) fn not_warm<'a>(regions: impl Iterator<Item = &'a Region>) -> String {
    let rest = regions.filter_map(|region| {
        let lacking = region.to_warm().saturating_sub(region.warm.ready);
        closed(region).or_else(|| (lacking > 0).then(|| format!("{} {lacking}", region.name)))
    });
    format!(
        "waiting until it is ready beside what serves: {}",
        rest.collect::<Vec<_>>().join("; ")
    )
}

/// Where hosts that have the release are not heard of.
pub(super) fn unknown(regions: &[Region]) -> String {
    each(regions, |region| {
        (region.unknown > 0).then(|| format!("{} {}", region.name, region.unknown))
    })
}

/// Where hosts failed, and what one of them says.
pub(super) fn failures(regions: &[Region]) -> String {
    each(regions, |region| {
        let said = region.error.as_deref().unwrap_or("not healthy in time");
        let failures = region.failures();
        (failures > 0).then(|| format!("{} {failures} ({said})", region.name))
    })
}
