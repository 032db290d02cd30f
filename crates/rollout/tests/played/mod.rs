//! A fleet that is played: hosts take orders late, fail, vanish and come back.

use model::{Cursor, RegionName, ZoneName};
use rollout::{Region, Warm};
use std::collections::BTreeMap;

/// How one host takes the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Well,
    Fails,
    /// Well until requests come.
    FailsInService,
    Vanishes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Old,
    /// The release starts beside what serves; is ready; failed; or its host is not heard of for so many passes.
    Warming,
    Warm,
    Spoilt,
    GoneWarm(u32),
    Starting,
    Healthy,
    Failed,
    /// Not heard of, for so many passes.
    Gone(u32),
}

impl Standing {
    /// Whether its turn has come.
    pub fn has_turn(self) -> bool {
        matches!(
            self,
            Self::Starting | Self::Healthy | Self::Failed | Self::Gone(_)
        )
    }
}

#[derive(Debug, Clone)]
pub struct Host {
    zone: ZoneName,
    pub fate: Fate,
    pub standing: Standing,
}

pub struct Place {
    name: RegionName,
    pub hosts: Vec<Host>,
    pub cursor: u64,
    pub warms: bool,
    pub told: (u64, bool),
}

/// After so many passes without a word a host counts as failed.
const UNKNOWN_PASSES: u32 = 6;

impl Place {
    pub fn admitted(&self) -> usize {
        self.hosts.iter().filter(|host| host.standing.has_turn()).count()
    }

    /// One look of the region's manager: whose turn it is takes the order. How many of them had it not ready beside what
    /// they run.
    pub fn admit(&mut self, order_by_zone: bool) -> u64 {
        let (told, warms) = self.told;
        for host in self.hosts.iter_mut().filter(|_| warms) {
            if host.standing == Standing::Old {
                host.standing = Standing::Warming;
            }
        }
        let free = told.saturating_sub(self.admitted() as u64);
        let waits =
            |host: &Host| !host.standing.has_turn() && !matches!(host.standing, Standing::GoneWarm(_));
        let mut next: Vec<usize> = (0..self.hosts.len())
            .filter(|index| waits(&self.hosts[*index]))
            .collect();
        if order_by_zone {
            next.sort_by_key(|index| self.hosts[*index].zone.clone());
        }
        let count = usize::try_from(free).unwrap_or(usize::MAX);
        let mut cold = 0;
        for index in next.into_iter().take(count) {
            let host = &mut self.hosts[index];
            cold += u64::from(matches!(host.standing, Standing::Old | Standing::Warming));
            host.standing = Standing::Starting;
        }
        cold
    }

    /// Time passes for a host.
    fn age(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.standing = match (host.standing, host.fate) {
            (Standing::Starting, Fate::Well) => Standing::Healthy,
            (Standing::Starting, Fate::Fails | Fate::FailsInService) => Standing::Failed,
            (Standing::Starting, Fate::Vanishes) => Standing::Gone(0),
            (Standing::Warming, Fate::Well | Fate::FailsInService) => Standing::Warm,
            (Standing::Warming, Fate::Fails) => Standing::Spoilt,
            (Standing::Warming, Fate::Vanishes) => Standing::GoneWarm(0),
            (standing, _) => standing,
        };
    }

    pub fn view(&self) -> Region {
        let count = |wanted: fn(&Standing) -> bool| {
            self.hosts.iter().filter(|host| wanted(&host.standing)).count() as u64
        };
        let mut zones = BTreeMap::new();
        for host in &self.hosts {
            *zones.entry(host.zone.clone()).or_default() += 1;
        }
        let healthy = count(|standing| *standing == Standing::Healthy);
        Region {
            name: self.name.clone(),
            told: self.told == (self.cursor, self.warms),
            heard: true,
            cursor: self.cursor,
            warms: self.warms,
            zones,
            staged: self.hosts.len() as u64,
            activated: self.admitted() as u64,
            settled: healthy,
            observed: healthy,
            failed: count(|standing| {
                *standing == Standing::Failed
                    || matches!(standing, Standing::Gone(passes) if *passes >= UNKNOWN_PASSES)
            }),
            excused: 0,
            unknown: count(
                |standing| matches!(standing, Standing::Gone(passes) | Standing::GoneWarm(passes) if *passes < UNKNOWN_PASSES),
            ),
            warm: Warm {
                ready: count(|standing| *standing == Standing::Warm),
                observed: count(|standing| *standing == Standing::Warm),
                failed: count(|standing| {
                    *standing == Standing::Spoilt
                        || matches!(standing, Standing::GoneWarm(passes) if *passes >= UNKNOWN_PASSES)
                }),
                excused: 0,
            },
            error: None,
        }
    }
}

/// Orders arrive or not, and hosts get on, fail, vanish and come back. How many got their turn unready.
pub fn pass_time(places: &mut [Place], by_zone: bool, luck: &mut impl FnMut() -> u32) -> u64 {
    let mut cold = 0;
    for place in places {
        // A region may be told late.
        if !luck().is_multiple_of(3) {
            place.told = (place.cursor, place.warms);
        }
        cold += place.admit(by_zone);
        for index in 0..place.hosts.len() {
            // Some come back with the release.
            let comes_back = match &mut place.hosts[index].standing {
                Standing::Gone(passes) => Some((passes, Standing::Healthy)),
                Standing::GoneWarm(passes) => Some((passes, Standing::Warm)),
                _ => None,
            };
            if let Some((passes, back)) = comes_back {
                *passes += 1;
                if luck().is_multiple_of(8) {
                    place.hosts[index].standing = back;
                }
            } else if luck().is_multiple_of(2) {
                place.age(index);
            }
        }
    }
    cold
}

pub fn warm(places: &mut [Place], regions: &[RegionName]) {
    for place in places.iter_mut().filter(|place| regions.contains(&place.name)) {
        assert!(!place.warms, "a region is asked once");
        place.warms = true;
    }
}

pub fn advance(places: &mut [Place], cursors: Vec<(RegionName, Cursor)>) {
    for (name, cursor) in cursors {
        let place = places.iter_mut().find(|place| place.name == name).unwrap();
        let next = cursor.hosts.unwrap_or(u64::MAX);
        assert!(next > place.cursor, "a cursor never goes back");
        place.cursor = next;
    }
}

pub fn places(sizes: &[usize], mut fate: impl FnMut(usize) -> Fate) -> Vec<Place> {
    let mut number = 0;
    let regions = sizes.iter().enumerate().map(|(region, size)| Place {
        name: format!("region-{region}").parse().unwrap(),
        hosts: (0..*size)
            .map(|host| {
                number += 1;
                Host {
                    zone: format!("zone-{}", host % 3).parse().unwrap(),
                    fate: fate(number - 1),
                    standing: Standing::Old,
                }
            })
            .collect(),
        cursor: 0,
        warms: false,
        told: (0, false),
    });
    regions.collect()
}
