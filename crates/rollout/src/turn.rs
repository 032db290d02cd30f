//! Whose turn it is: from a cursor to hosts. The same rule in every manager.

use model::rollout::Order;
use model::{Cursor, DeploymentId, HostName, RegionService, ReleaseNumber, ZoneName};
use std::collections::BTreeMap;

/// A host that the newest release is for.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its name.
    pub host: &'a HostName,
    /// Its zone.
    pub zone: &'a ZoneName,
    /// The release that it was told to run last.
    pub active: Option<ReleaseNumber>,
    /// Whether it holds every byte of the newest release.
    pub staged: bool,
    /// Whether it was not heard of for long.
    pub lost: bool,
}

/// The hosts of one region that are ordered to run a service's newest release. Who has their turn keeps it for as long as
/// the deployment is the newest.
#[derive(Debug, Default)]
pub struct Turns {
    deployment: Option<DeploymentId>,
    /// Whether each counts against the cursor.
    admitted: BTreeMap<HostName, bool>,
}

impl Turns {
    /// Whether it is a host's turn.
    pub fn has(&self, host: &HostName) -> bool {
        self.admitted.contains_key(host)
    }

    /// How many hosts have their turn.
    pub fn count(&self) -> u64 {
        self.admitted.len() as u64
    }

    /// Gives hosts their turn as far as the cursor goes; who got it just now. Hosts that run the release already have
    /// it, whatever the cursor, and count. Hosts that run the very same under an older number have it too and don't
    /// count until they say so, since nothing changes for them. With `may_add` unset nobody else gets it: a manager that
    /// has just begun does not know yet who runs what.
    pub fn take(&mut self, service: &RegionService, hosts: &[Candidate<'_>], may_add: bool) -> Vec<HostName> {
        let Some((newest, older)) = service.layers.split_first() else {
            return Vec::new();
        };
        if self.deployment != Some(newest.deployment) {
            self.deployment = Some(newest.deployment);
            self.admitted.clear();
        }
        let mut new = Vec::new();
        for candidate in hosts {
            let same = |release| {
                older
                    .iter()
                    .any(|layer| layer.release == release && layer.runs_the_same(newest))
            };
            let counts = candidate.active == Some(newest.release);
            if !counts && !candidate.active.is_some_and(same) {
                continue;
            }
            match self.admitted.get_mut(candidate.host) {
                Some(counted) => *counted |= counts,
                None => {
                    self.admitted.insert(candidate.host.clone(), counts);
                    new.push(candidate.host.clone());
                }
            }
        }
        if may_add {
            new.extend(self.fill(newest.deployment, newest.cursor, hosts));
        }
        new
    }

    /// Lets in who is next, as far as there is room.
    fn fill(&mut self, deployment: DeploymentId, cursor: Cursor, hosts: &[Candidate<'_>]) -> Vec<HostName> {
        let counted = self.admitted.values().filter(|counts| **counts).count() as u64;
        let room = cursor.hosts.unwrap_or(u64::MAX).saturating_sub(counted);
        if room == 0 {
            return Vec::new();
        }
        let mut waiting: Vec<_> = hosts
            .iter()
            .filter(|candidate| !candidate.lost && !self.admitted.contains_key(candidate.host))
            .map(|candidate| {
                let zone = (cursor.order == Order::Zones).then_some(candidate.zone);
                // Who has the bytes goes before who would only wait for them.
                let place = place(deployment, candidate.host);
                (zone, !candidate.staged, place, candidate.host)
            })
            .collect();
        waiting.sort_unstable();
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let next = waiting.into_iter().take(room).map(|(.., host)| host.clone());
        let next: Vec<HostName> = next.collect();
        self.admitted.extend(next.iter().map(|host| (host.clone(), true)));
        next
    }
}

/// A host's place in a deployment's order: no host is the first of every deployment.
fn place(deployment: DeploymentId, host: &HostName) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(deployment.0.as_bytes())
        .update(host.as_str().as_bytes());
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
