//! One modelled region: its manager's part is played with the shipped rule of turns, against a real etcd and a real
//! builds database.

use crate::fate::Luck;
use crate::host::Host;
use crate::truth::Truth;
use anyhow::Context as _;
use database::Builds;
use desired_state::DesiredState;
use model::region_report::{HostInstance, REPORT_INSTANCES_MAX, RegionReport, ServiceWord};
use model::{HostName, RegionName, RegionService, ReleaseNumber, ZoneName};
use rollout::{Candidate, Turns};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How often a manager looks at its hosts, as the real one.
const TICK: Duration = Duration::from_millis(250);
/// Without anything to tell, a manager says at least this often that its region is alive, as the real one.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const ZONES: u32 = 3;

/// What a region is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub name: RegionName,
    pub hosts: u32,
    pub desired: DesiredState,
    pub builds: Builds,
    pub truth: Arc<Truth>,
    pub seed: u64,
}

/// The manager and its hosts.
#[derive(Debug)]
struct Region {
    parts: Parts,
    luck: Luck,
    began: Instant,
    hosts: Vec<Host>,
    places: HashMap<HostName, usize>,
    zones: BTreeMap<ZoneName, u64>,
    service: Option<RegionService>,
    turns: Turns,
    /// Hosts with something to tell, each once.
    news: VecDeque<usize>,
    has_news: Vec<bool>,
    told_word: Option<ServiceWord>,
    told_at: Option<Instant>,
}

/// Plays a region until it is dropped; ends only when something fails.
pub async fn play(parts: Parts) -> anyhow::Result<()> {
    let (reports, reporting) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(report(parts.builds.clone(), reporting));
    let desired = parts.desired.clone();
    let mut region = Region::new(parts)?;
    let mut watch = desired.watch(0);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = watch.changed() => region.hear(desired.list().await?.services.pop()),
            _ = ticks.tick() => {
                region.pass();
                if let Ok(permit) = reports.try_reserve()
                    && let Some(report) = region.next_report()
                {
                    permit.send(report);
                }
            }
            Some(ended) = tasks.join_next() => return ended?,
        }
    }
}

/// Hands reports to the control plane, one after the other.
async fn report(builds: Builds, mut reports: mpsc::Receiver<RegionReport>) -> anyhow::Result<()> {
    while let Some(report) = reports.recv().await {
        let applied = builds.apply_region_report(&report).await;
        applied.with_context(|| format!("{}'s report was not taken", report.region))?;
    }
    Ok(())
}

impl Region {
    fn new(parts: Parts) -> anyhow::Result<Self> {
        let host = |number: u32| {
            let name = format!("{}-host-{number:05}", parts.name).parse()?;
            let zone = format!("{}-{}", parts.name, number % ZONES).parse()?;
            anyhow::Ok(Host::new(name, zone))
        };
        let hosts = (0..parts.hosts).map(host).collect::<anyhow::Result<Vec<_>>>()?;
        let mut zones = BTreeMap::new();
        for host in &hosts {
            *zones.entry(host.zone.clone()).or_default() += 1;
        }
        let places = hosts.iter().enumerate();
        Ok(Self {
            luck: Luck::new(parts.seed),
            began: Instant::now(),
            places: places.map(|(place, host)| (host.name.clone(), place)).collect(),
            has_news: vec![false; hosts.len()],
            hosts,
            zones,
            service: None,
            turns: Turns::default(),
            news: VecDeque::new(),
            told_word: None,
            told_at: None,
            parts,
        })
    }

    /// Takes in what etcd says, and gives the hosts their orders.
    fn hear(&mut self, service: Option<RegionService>) {
        let release = |service: &Option<RegionService>| Some(service.as_ref()?.newest()?.release);
        let is_new = release(&self.service) != release(&service);
        self.service = service;
        if is_new {
            let now = self.began.elapsed();
            for host in &mut self.hosts {
                host.stage(now + self.luck.stages_in());
            }
            (0..self.hosts.len()).for_each(|place| self.has_something_to_tell(place));
        }
        self.take_turns();
    }

    fn take_turns(&mut self) {
        let Some(service) = &self.service else { return };
        let Some(newest) = service.newest() else { return };
        let candidates: Vec<Candidate<'_>> = self
            .hosts
            .iter()
            .map(|host| Candidate {
                host: &host.name,
                zone: &host.zone,
                active: host.active,
                staged: host.has_staged(newest.release),
                lost: false,
            })
            .collect();
        let new = self.turns.take(service, &candidates, true);
        let (now, bad) = (self.began.elapsed(), self.parts.truth.of(newest.release).bad);
        let same: Vec<ReleaseNumber> = service
            .layers
            .iter()
            .filter(|layer| layer.runs_the_same(newest))
            .map(|layer| layer.release)
            .collect();
        let release = newest.release;
        for place in new
            .iter()
            .filter_map(|host| self.places.get(host))
            .copied()
            .collect::<Vec<_>>()
        {
            let Some(host) = self.hosts.get_mut(place) else {
                continue;
            };
            // It may run it already: then its turn is no news to it.
            if host.active == Some(release) {
                continue;
            }
            self.parts.truth.told(release);
            if host.active.is_some_and(|active| same.contains(&active)) {
                host.rename(release);
            } else {
                host.activate(release, self.luck.fate(&bad), now);
            }
            self.has_something_to_tell(place);
        }
    }

    /// Lets time pass for the hosts.
    fn pass(&mut self) {
        let newest = self.service.as_ref().and_then(RegionService::newest);
        let Some(newest) = newest.map(|layer| layer.release) else {
            return;
        };
        let now = self.began.elapsed();
        let mut changed = Vec::new();
        for (place, host) in self.hosts.iter_mut().enumerate() {
            let was_unhealthy = host.is_unhealthy();
            if !host.pass(now, newest) {
                continue;
            }
            if let Some(release) = host.active.filter(|_| host.is_unhealthy() && !was_unhealthy) {
                self.parts.truth.failed(release);
            }
            changed.push(place);
        }
        if changed.is_empty() {
            return;
        }
        for place in changed {
            self.has_something_to_tell(place);
        }
        self.take_turns();
    }

    fn has_something_to_tell(&mut self, place: usize) {
        if let Some(has_news) = self.has_news.get_mut(place)
            && !std::mem::replace(has_news, true)
        {
            self.news.push_back(place);
        }
    }

    /// The next report, if there is a reason for one.
    fn next_report(&mut self) -> Option<RegionReport> {
        let service = self.service.as_ref()?;
        let word = ServiceWord {
            service: service.service.clone(),
            epoch: service.epoch,
            hosts: self.zones.clone(),
            admitted: self.turns.count(),
        };
        let silent = self.told_at.is_none_or(|at| at.elapsed() >= SILENCE_MAX);
        if self.news.is_empty() && self.told_word.as_ref() == Some(&word) && !silent {
            return None;
        }
        let batch = self.news.len().min(REPORT_INSTANCES_MAX);
        let mut instances: Vec<HostInstance> = Vec::with_capacity(batch);
        for place in self.news.drain(..batch) {
            if let (Some(host), Some(has_news)) = (self.hosts.get(place), self.has_news.get_mut(place)) {
                *has_news = false;
                instances.extend(host.says(service));
            }
        }
        self.told_word = Some(word.clone());
        self.told_at = Some(Instant::now());
        Some(RegionReport {
            region: self.parts.name.clone(),
            term: 1,
            hosts_alive: self.parts.hosts,
            store_bytes_read: 0,
            instances,
            services: vec![word],
            hosts: Vec::new(),
            distributions: Vec::new(),
        })
    }
}
