//! Whose turn it is of every service, and what is said of it.

use crate::roster::Roster;
use model::region_report::ServiceWord;
use model::{HostName, RegionService, ServiceName};
use rollout::Turns;
use std::collections::BTreeMap;

type Listed = BTreeMap<ServiceName, RegionService>;

/// Turns by service; only of services whose newest release is not everybody's turn.
#[derive(Debug, Default)]
pub(crate) struct AllTurns(BTreeMap<ServiceName, Turns>);

impl AllTurns {
    /// Gives hosts their turn as far as each service's cursor goes; who got it just now.
    pub(crate) fn take(&mut self, services: &Listed, roster: &Roster, may_add: bool) -> Vec<HostName> {
        self.0
            .retain(|name, _| services.get(name).is_some_and(|service| !is_everybodys(service)));
        let mut new = Vec::new();
        for (name, service) in services.iter().filter(|(_, service)| !is_everybodys(service)) {
            let turns = self.0.entry(name.clone()).or_default();
            new.extend(turns.take(service, &roster.candidates(service), may_add));
        }
        new
    }

    /// Whether it is a host's turn.
    pub(crate) fn has(&self, service: &RegionService, host: &HostName) -> bool {
        is_everybodys(service) || self.0.get(&service.service).is_some_and(|turns| turns.has(host))
    }

    /// What is said of every service.
    pub(crate) fn words(&self, services: &Listed, roster: &Roster) -> Vec<ServiceWord> {
        let word = |service: &RegionService| {
            let hosts = roster.zones(&service.newest()?.selector);
            let turns = self.0.get(&service.service);
            Some(ServiceWord {
                service: service.service.clone(),
                epoch: service.epoch,
                admitted: turns.map_or_else(|| hosts.values().sum(), Turns::count),
                hosts,
            })
        };
        services.values().filter_map(word).collect()
    }
}

fn is_everybodys(service: &RegionService) -> bool {
    service
        .newest()
        .is_some_and(|newest| newest.cursor.hosts.is_none())
}

/// Whether two listings differ at most in how far cursors have come, so that it concerns only whose turn it is now. What is
/// to be warm concerns all others.
pub(crate) fn only_cursors_moved(before: Option<&Listed>, after: Option<&Listed>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return false;
    };
    before.len() == after.len()
        && after.iter().all(|(name, service)| {
            before.get(name).is_some_and(|known| {
                is_everybodys(known) == is_everybodys(service) && are_alike(known, service)
            })
        })
}

fn are_alike(one: &RegionService, other: &RegionService) -> bool {
    let ids = |service: &RegionService| {
        let layers = service.layers.iter();
        layers
            .map(|layer| (layer.deployment, layer.epoch, layer.warm))
            .collect::<Vec<_>>()
    };
    ids(one) == ids(other)
}
