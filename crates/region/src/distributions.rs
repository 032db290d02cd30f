//! The arrivals that hosts tell of, folded to one bounded summary an artifact.
//!
//! Pure: the time is an argument. One leader has one of these and begins it empty; its hosts' reports are
//! whole states, so the first fold says how things stand, and only the time that went by starts anew.

use model::control::Limits;
use model::distribution::{
    Arrival, ArrivalState, Bound, DISTRIBUTIONS_MAX, Distribution, HostCounts, Rarity, Rates, SLOWEST_MAX,
    SlowHost,
};
use model::instance::Transfer;
use model::{ArtifactId, HostName, ZoneName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarm_core::bound::{Links, least_seconds};
use tokio::time::Instant;

/// An artifact that every host held for this long and that a host lacks now is distributed anew.
const ANEW_AFTER: Duration = Duration::from_secs(60);
/// The time left is reckoned from the slowest of so many hosts.
const SLOWEST_SHARE: usize = 10;

/// One host's arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) host: &'a HostName,
    pub(crate) zone: &'a ZoneName,
    pub(crate) arrival: &'a Arrival,
}

/// What a fold needs to know beside the arrivals.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    /// The artifacts that the region's services are ordered to have.
    pub(crate) wanted: &'a BTreeSet<ArtifactId>,
    /// What the region allows a host.
    pub(crate) limits: Limits,
    /// How often pieces are held around this manager.
    pub(crate) rarity: &'a BTreeMap<ArtifactId, Rarity>,
}

/// The distributions that have begun, and what the control plane has heard of them.
#[derive(Debug, Default)]
pub(crate) struct Distributions {
    known: BTreeMap<ArtifactId, Known>,
    totals: (HostCounts, Rates),
}

#[derive(Debug)]
struct Known {
    began: Instant,
    /// The fastest that any host took in, in bytes a second.
    fastest_down: u64,
    /// The fastest that all sources but hosts gave together, in bytes a second.
    fastest_seeds: u64,
    /// What was told last and accepted, but for the time that went by.
    told: Option<(Distribution, Instant)>,
}

/// All arrivals of one artifact.
#[derive(Debug, Default)]
struct Sum<'a> {
    artifact_bytes: u64,
    hosts: HostCounts,
    transfer: Transfer,
    rates: Rates,
    fastest_down: u64,
    rejected_pieces: u64,
    lacking: Vec<Seen<'a>>,
}

impl Distributions {
    /// A host that is ordered to have an artifact lacks it, so its distribution has begun, even if all hosts are done
    /// before the next fold, as they may be with a small artifact. One that is known goes on.
    pub(crate) fn begin(&mut self, artifact: ArtifactId, now: Instant) {
        self.known.entry(artifact).or_insert(Known {
            began: now,
            fastest_down: 0,
            fastest_seeds: 0,
            told: None,
        });
    }

    /// Folds all arrivals; what the control plane has not heard yet, the longest unheard first, at most
    /// [`DISTRIBUTIONS_MAX`].
    pub(crate) fn fold<'a>(
        &mut self,
        seen: impl Iterator<Item = Seen<'a>>,
        around: &Around<'_>,
        now: Instant,
    ) -> Vec<Distribution> {
        let mut sums: BTreeMap<ArtifactId, Sum<'a>> = BTreeMap::new();
        for one in seen.filter(|one| around.wanted.contains(&one.arrival.artifact)) {
            sums.entry(one.arrival.artifact).or_default().add(one);
        }
        self.totals = totals(sums.values());
        self.known.retain(|artifact, _| around.wanted.contains(artifact));
        let mut news: Vec<_> = sums
            .into_iter()
            .filter_map(|(artifact, sum)| self.news(artifact, sum, around, now))
            .collect();
        news.sort_by_key(|(told_at, _)| *told_at);
        let news = news.into_iter().map(|(_, distribution)| distribution);
        news.take(DISTRIBUTIONS_MAX).collect()
    }

    /// The arrivals in each state and the rates, over all artifacts, as they were folded last.
    pub(crate) fn totals(&self) -> &(HostCounts, Rates) {
        &self.totals
    }

    /// One artifact's summary with the time at which it was told last, if it differs from that.
    fn news(
        &mut self,
        artifact: ArtifactId,
        sum: Sum<'_>,
        around: &Around<'_>,
        now: Instant,
    ) -> Option<(Option<Instant>, Distribution)> {
        let lacking = !sum.lacking.is_empty();
        let over = |known: &Known| {
            let told = known.told.as_ref();
            told.is_some_and(|(told, at)| told.is_complete() && now.duration_since(*at) >= ANEW_AFTER)
        };
        if lacking && self.known.get(&artifact).is_some_and(over) {
            self.known.remove(&artifact);
        }
        if lacking {
            self.begin(artifact, now);
        }
        // What every host held from the start is not distributed.
        let known = self.known.get_mut(&artifact)?;
        known.fastest_down = known.fastest_down.max(sum.fastest_down);
        known.fastest_seeds = known
            .fastest_seeds
            .max(sum.rates.seed.saturating_add(sum.rates.store));
        let rarity = around.rarity.get(&artifact).cloned();
        let bound = bound(&sum, &around.limits, known);
        let distribution = sum.summarise(artifact, rarity, bound);
        let told = known.told.as_ref();
        // What is done is told once: rates and samples that fade afterwards are no news.
        let done = |told: &Distribution| told.is_complete() && told.hosts == distribution.hosts;
        if told.is_some_and(|(told, _)| *told == distribution || done(told)) {
            return None;
        }
        let elapsed_ms = u64::try_from(now.duration_since(known.began).as_millis()).unwrap_or(u64::MAX);
        Some((
            told.map(|(_, at)| *at),
            Distribution {
                elapsed_ms,
                ..distribution
            },
        ))
    }

    /// Remembers what the control plane has accepted.
    pub(crate) fn accept(&mut self, accepted: Vec<Distribution>, now: Instant) {
        for told in accepted {
            if let Some(known) = self.known.get_mut(&told.artifact) {
                let told = Distribution {
                    elapsed_ms: 0,
                    ..told
                };
                known.told = Some((told, now));
            }
        }
    }
}

impl<'a> Sum<'a> {
    fn add(&mut self, seen: Seen<'a>) {
        let Arrival {
            state,
            transfer,
            rates,
            ..
        } = seen.arrival;
        self.artifact_bytes = self.artifact_bytes.max(transfer.total_bytes);
        self.hosts.add(*state);
        add_transfer(&mut self.transfer, transfer);
        self.rates = self.rates.plus(rates);
        self.fastest_down = self.fastest_down.max(rates.taken());
        self.rejected_pieces += u64::from(seen.arrival.rejected_pieces);
        if *state != ArrivalState::Complete {
            self.lacking.push(seen);
        }
    }

    fn summarise(
        mut self,
        artifact: ArtifactId,
        rarity: Option<Rarity>,
        bound: Option<Bound>,
    ) -> Distribution {
        self.lacking
            .sort_unstable_by_key(|seen| (seen.arrival.rates.taken(), held(seen), seen.host));
        Distribution {
            artifact,
            elapsed_ms: 0,
            artifact_bytes: self.artifact_bytes,
            hosts: self.hosts,
            transfer: self.transfer,
            rates: self.rates,
            rejected_pieces: self.rejected_pieces,
            rarity,
            slowest: self.lacking.iter().take(SLOWEST_MAX).map(slow_host).collect(),
            bound,
            left_ms: left_ms(self.artifact_bytes, &self.lacking),
        }
    }
}

fn totals<'a, 's: 'a>(sums: impl Iterator<Item = &'a Sum<'s>>) -> (HostCounts, Rates) {
    sums.fold(Default::default(), |(hosts, rates): (HostCounts, Rates), sum| {
        (hosts.plus(&sum.hosts), rates.plus(&sum.rates))
    })
}

fn add_transfer(sum: &mut Transfer, one: &Transfer) {
    sum.total_bytes = sum.total_bytes.saturating_add(one.total_bytes);
    sum.seed_bytes = sum.seed_bytes.saturating_add(one.seed_bytes);
    sum.peer_bytes = sum.peer_bytes.saturating_add(one.peer_bytes);
    sum.store_bytes = sum.store_bytes.saturating_add(one.store_bytes);
    sum.local_bytes = sum.local_bytes.saturating_add(one.local_bytes);
    sum.wasted_bytes = sum.wasted_bytes.saturating_add(one.wasted_bytes);
    sum.elapsed_ms = sum.elapsed_ms.max(one.elapsed_ms);
}

fn held(seen: &Seen<'_>) -> u64 {
    seen.arrival.transfer.verified_bytes()
}

fn slow_host(seen: &Seen<'_>) -> SlowHost {
    SlowHost {
        host: seen.host.clone(),
        zone: seen.zone.clone(),
        state: seen.arrival.state,
        held_bytes: held(seen),
        taken_bytes_per_s: seen.arrival.rates.taken(),
        lacking_bytes: seen.arrival.lacking_bytes,
        hindrance: seen.arrival.hindrance,
    }
}

/// How long the host that lacks most takes at the mean rate of the slowest tenth. `lacking` is in the order
/// of rates. Hosts that an operator or a full disk holds up do not count: no rate says when they go on. Absent
/// if nobody counts, or the slowest take in nothing, since then nothing that was seen says when it ends.
fn left_ms(artifact_bytes: u64, lacking: &[Seen<'_>]) -> Option<u64> {
    let counted =
        |seen: &&Seen<'_>| matches!(seen.arrival.state, ArrivalState::Fetching | ArrivalState::Waiting);
    let moving: Vec<_> = lacking.iter().filter(counted).collect();
    let slowest = &moving[..moving.len().div_ceil(SLOWEST_SHARE)];
    let rates: u128 = slowest
        .iter()
        .map(|seen| u128::from(seen.arrival.rates.taken()))
        .sum();
    let most = moving
        .iter()
        .map(|seen| artifact_bytes.saturating_sub(held(seen)))
        .max()?;
    let milliseconds = (u128::from(most) * 1_000 * slowest.len() as u128).checked_div(rates)?;
    u64::try_from(milliseconds).ok().filter(|_| artifact_bytes > 0)
}

/// The least time for these hosts.
///
/// What is reckoned with: every host can take in what the region's limit allows it or, without a limit, what
/// the fastest host was seen to take in. Without a limit on uploads, neither hosts nor seeds are taken to be
/// limited in what they give: what they were seen to give says what was asked of them, not what they could,
/// and would make the bound larger than it is, which would flatter us. With one, hosts give that much, and
/// the seeds as much as they were seen to, at least what one host takes. What was on the disks already does
/// not have to come.
fn bound(sum: &Sum<'_>, limits: &Limits, known: &Known) -> Option<Bound> {
    let down = limits.download_bytes_per_s.unwrap_or(known.fastest_down);
    let hosts = usize::try_from(sum.hosts.all).unwrap_or(usize::MAX);
    if down == 0 || hosts == 0 || sum.artifact_bytes == 0 {
        return None;
    }
    let (seeds_up, hosts_up) = match limits.upload_bytes_per_s {
        Some(up) => (known.fastest_seeds.max(down) as f64, up as f64 * hosts as f64),
        None => (f64::INFINITY, f64::INFINITY),
    };
    let links = Links {
        seeds_up,
        slowest_down: down as f64,
        hosts_up,
    };
    let found_a_host = sum.transfer.local_bytes / u64::from(sum.hosts.all);
    let bytes = sum.artifact_bytes.saturating_sub(found_a_host);
    Some(Bound {
        // Positive and far below what fits: a float is only cut off.
        least_ms: (least_seconds(bytes, hosts, &links) * 1_000.0) as u64,
        down_bytes_per_s: down,
        down_is_limit: limits.download_bytes_per_s.is_some(),
        up_bytes_per_s: limits.upload_bytes_per_s,
    })
}

#[cfg(test)]
mod tests;
