//! Who is what, and when what happens to whom: drawn once, before the run.

use crate::event::Event;
use crate::host::Kind;
use crate::{Case, Link};
use rand::RngExt;
use rand::seq::SliceRandom;
use swarm_core::Time;

/// How long a host is away at least: everybody notices that it is gone, as a restart takes seconds too.
const AWAY_MS_MIN: u64 = 2_000;
/// How far a clock jumps at most.
const JUMP_S_MAX: i32 = 2 * 3600;
/// One after the other, each manager deals its hand of shares.
const HAND_EVERY_MS: u64 = 1_000;

/// What one host or seed is.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    pub kind: Kind,
    pub link: Link,
    /// When its program starts.
    pub starts_at: Time,
    /// Its time says something about the swarm: it is honest, lives throughout, is no straggler, and
    /// was there from the start.
    pub judged: bool,
    /// It must complete in the end.
    pub awaited: bool,
}

/// What each host and seed is, hosts first, and what happens when.
pub fn draw(case: &Case, rng: &mut impl rand::Rng) -> (Vec<Fate>, Vec<(Time, Event)>) {
    let mut fates = kinds(case, rng);
    let mut events = Vec::new();
    deaths(case, &mut fates, &mut events, rng);
    for host in some_hosts(case, case.late, rng) {
        fates[host as usize].starts_at = ms(rng.random_range(0..=case.late_until_ms));
        fates[host as usize].judged = false;
    }
    for host in some_hosts(case, case.faults.clock_jumps, rng) {
        for _ in 0..3 {
            let at = ms(rng.random_range(0..=60_000));
            let to_s = rng.random_range(-JUMP_S_MAX..=JUMP_S_MAX);
            events.push((at, Event::ClockJumps { host, to_s }));
        }
    }
    let faults = &case.faults;
    if faults.zone_cut_at_ms < faults.zone_back_at_ms {
        events.push((ms(faults.zone_cut_at_ms), Event::CutOff(0)));
        events.push((ms(faults.zone_back_at_ms), Event::Return(0)));
    }
    if let Some(at_ms) = faults.seeds_die_at_ms {
        events.extend((case.hosts..case.hosts + case.seeds).map(|seed| (ms(at_ms), Event::Die(seed))));
    }
    if let Some(store) = case.store {
        if store.fails_at_ms < store.back_at_ms {
            events.push((ms(store.fails_at_ms), Event::StoreFails));
            events.push((ms(store.back_at_ms), Event::StoreReturns));
        }
        for hand in 1..store.hands {
            let at = ms(u64::from(hand) * HAND_EVERY_MS);
            events.extend((0..case.hosts).map(|host| (at, Event::StoreOffered { host, hand })));
        }
    }
    (fates, events)
}

fn kinds(case: &Case, rng: &mut impl rand::Rng) -> Vec<Fate> {
    let faults = &case.faults;
    let mut kinds: Vec<Kind> = Vec::with_capacity((case.hosts + case.seeds) as usize);
    for (kind, share) in [
        (Kind::Liar, faults.liars),
        (Kind::SlyLiar, faults.sly_liars),
        (Kind::Boaster, faults.boasters),
        (Kind::Staller, faults.stallers),
        (Kind::FullDisk, faults.full_disks),
    ] {
        kinds.extend(std::iter::repeat_n(kind, count(case, share)));
    }
    kinds.resize(case.hosts as usize, Kind::Honest);
    kinds.shuffle(rng);
    let stragglers = some_hosts(case, case.stragglers, rng);
    let mut fates: Vec<Fate> = kinds
        .into_iter()
        .map(|kind| Fate {
            kind,
            link: slower(case.host_link, rng.random_range(1.0..=case.spread)),
            starts_at: Time(0),
            judged: kind == Kind::Honest,
            awaited: kind == Kind::Honest,
        })
        .collect();
    for host in stragglers {
        let fate = &mut fates[host as usize];
        fate.link = slower(case.host_link, case.straggler_factor);
        fate.judged = false;
    }
    fates.extend((0..case.seeds).map(|_| Fate {
        kind: Kind::Seed,
        link: case.seed_link,
        starts_at: Time(0),
        judged: false,
        awaited: false,
    }));
    fates
}

/// Of the hosts that would complete some die, and of those some come back.
fn deaths(case: &Case, fates: &mut [Fate], events: &mut Vec<(Time, Event)>, rng: &mut impl rand::Rng) {
    let faults = &case.faults;
    let mut dying: Vec<u32> = (0..case.hosts)
        .filter(|&host| fates[host as usize].kind == Kind::Honest)
        .collect();
    dying.shuffle(rng);
    dying.truncate(count(case, faults.deaths));
    let returning = (dying.len() as f64 * faults.rejoins).floor() as usize;
    for (index, &host) in dying.iter().enumerate() {
        let at_ms = rng.random_range(faults.deaths_from_ms..=faults.deaths_until_ms);
        events.push((ms(at_ms), Event::Die(host)));
        let fate = &mut fates[host as usize];
        fate.judged = false;
        fate.awaited = index < returning;
        if index < returning {
            let back = at_ms.saturating_add(faults.rejoin_after_ms.max(AWAY_MS_MIN));
            events.push((ms(back), Event::Start(host)));
        }
    }
}

/// A share of the hosts, in random order.
fn some_hosts(case: &Case, share: f64, rng: &mut impl rand::Rng) -> Vec<u32> {
    if share == 0.0 {
        return Vec::new();
    }
    let mut hosts: Vec<u32> = (0..case.hosts).collect();
    hosts.shuffle(rng);
    hosts.truncate(count(case, share));
    hosts
}

fn count(case: &Case, share: f64) -> usize {
    (f64::from(case.hosts) * share).floor() as usize
}

fn slower(link: Link, times: f64) -> Link {
    Link {
        up: (link.up as f64 / times) as u64,
        down: (link.down as f64 / times) as u64,
    }
}

fn ms(ms: u64) -> Time {
    Time(ms.saturating_mul(1000))
}
