//! The one loop of a leading manager: hosts ask, and are answered from what is known.

use crate::distributions::{Around, Distributions};
use crate::listing::{Listing, Services};
use crate::logs::Logs;
use crate::rarity::Sampling;
use crate::reporter::{News, Reporter, Sent};
use crate::revocations::Revoked;
use crate::roster::Roster;
use crate::seeds::{Seeded, Seeds, artifacts};
use crate::service::reply;
use crate::turns::{self, AllTurns};
use crate::{Config, metrics};
use futures::future::{BoxFuture, OptionFuture};
use model::control::RegionControls;
use model::distribution::{ARRIVALS_MAX, Distribution};
use model::host::{
    HostOrders, HostReport, HostRequest, HostResponse, NEIGHBOURS_MAX, Neighbour, SERVICES_MAX,
    STORE_OFFERS_MAX, StoreOffer,
};
use model::instance::REASON_LENGTH_MAX;
use model::{ArtifactId, HostName, RegionName};
use std::time::Duration;
use swarm::{Certificate, Handle, IncomingCall, Role};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// How often lost hosts are looked for and changes are told.
const TICK: Duration = Duration::from_millis(250);
/// How often the distributions are folded.
const FOLD_EVERY: Duration = Duration::from_secs(1);
/// The most addresses that a host may have.
const ADDRESSES_MAX: usize = 4;
/// The longest address, in bytes.
const ADDRESS_LENGTH_MAX: usize = 256;
/// How long a new leader hands out no shares of the store and gives nobody their turn: hosts ask every two seconds, and
/// those that happened to ask first would be told to read what all of them share, or to run what others run already.
const LISTEN_FIRST: Duration = Duration::from_secs(3);

/// A manager during its term.
pub(crate) struct Leader {
    name: HostName,
    region: RegionName,
    term: i64,
    swarm: Handle,
    roster: Roster,
    distributions: Distributions,
    fold_at: Instant,
    reporter: Reporter,
    services: Services,
    controls: RegionControls,
    turns: AllTurns,
    sampling: Sampling,
    seeded: Seeded,
    revoked: Revoked,
    began: Instant,
}

impl Leader {
    pub(crate) fn new(config: &Config, term: i64, swarm: Handle, reporter: Reporter) -> Self {
        Self {
            name: config.candidate.clone(),
            region: config.region.clone(),
            term,
            sampling: Sampling::start(swarm.clone()),
            swarm,
            roster: Roster::default(),
            distributions: Distributions::default(),
            fold_at: Instant::now(),
            reporter,
            services: None,
            controls: RegionControls::default(),
            turns: AllTurns::default(),
            seeded: Seeded::default(),
            revoked: Revoked::default(),
            began: Instant::now(),
        }
    }

    /// Answers, hints and reports until it is dropped.
    pub(crate) async fn run(
        mut self,
        calls: &mut mpsc::Receiver<IncomingCall>,
        listing: Listing,
        seeds: Seeds,
        mut logs: Logs,
        mut revoked: watch::Receiver<Revoked>,
    ) {
        self.revoked.clone_from(&revoked.borrow_and_update());
        let (mut services, mut seeded) = (listing.services(), seeds.seeded());
        let mut controls = listing.controls();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut report: OptionFuture<BoxFuture<'static, Sent>> = None.into();
        let mut reporting = false;
        loop {
            tokio::select! {
                Some(call) = calls.recv() => self.answer(call),
                Ok(()) = services.changed() => {
                    let before = self.services.take();
                    self.services.clone_from(&services.borrow_and_update());
                    let new = self.take_turns();
                    if turns::only_cursors_moved(before.as_deref(), self.services.as_deref()) {
                        self.hint(&self.roster.peers_of(&new)).await;
                    } else {
                        self.hint_everybody().await;
                    }
                }
                Ok(()) = controls.changed() => {
                    self.controls.clone_from(&controls.borrow_and_update());
                    self.hint_everybody().await;
                }
                Ok(()) = seeded.changed() => {
                    self.seeded.clone_from(&seeded.borrow_and_update());
                    self.roster.retain_shares(|artifact| self.seeded.contains_key(artifact));
                    self.hint_everybody().await;
                }
                Ok(()) = revoked.changed() => {
                    self.revoked.clone_from(&revoked.borrow_and_update());
                    self.roster.revoke(|peer| self.revoked.contains(peer));
                    self.hint_everybody().await;
                }
                Some(lookup) = logs.next_lookup() => {
                    // Whoever wished to know may have given up.
                    drop(lookup.reply.send(self.roster.whereabouts(&lookup.host)));
                }
                Some(sent) = &mut report, if reporting => {
                    reporting = false;
                    self.reported(sent);
                }
                _ = ticks.tick() => {
                    self.expire();
                    let new = self.take_turns();
                    if !new.is_empty() {
                        self.hint(&self.roster.peers_of(&new)).await;
                    }
                    if !reporting && let Some(next) = self.next_report(seeds.bytes_read()) {
                        report = Some(next).into();
                        reporting = true;
                    }
                }
            }
        }
    }

    fn answer(&mut self, call: IncomingCall) {
        let response = match postcard::from_bytes(&call.request) {
            Ok(HostRequest::Report(report)) => self.hear(&call.certificate, report),
            Ok(HostRequest::Manifest(artifact)) => self.manifest(&artifact),
            Err(_) => HostResponse::Refused("the request could not be read".to_owned()),
        };
        reply(call, &response);
    }

    fn hear(&mut self, certificate: &Certificate, report: HostReport) -> HostResponse {
        if let Err(reason) = check(certificate, &report) {
            return HostResponse::Refused(reason);
        }
        let peer = certificate.statement().peer;
        // The swarm keeps it out as well; this is for a call that was on its way.
        if self.revoked.contains(&peer) {
            return HostResponse::Refused(format!("peer {peer} was revoked"));
        }
        let Some(services) = self.services.clone() else {
            // Orders that were not listed yet would read as "run nothing".
            return HostResponse::StandingBy;
        };
        let (host, complete) = (report.host.clone(), report.complete.clone());
        let held_before = self.roster.complete(&host);
        if let Err(full) = self.roster.hear(&self.region, peer, report, Instant::now()) {
            return HostResponse::Refused(full.to_string());
        }
        let mut neighbours = vec![self.as_neighbour()];
        neighbours.extend(self.roster.neighbours(&host));
        neighbours.truncate(NEIGHBOURS_MAX);
        let services = services.values().take(SERVICES_MAX);
        let orders = services.filter_map(|service| {
            let labels = self.roster.labels(&host)?;
            service.order(labels, self.turns.has(service, &host))
        });
        let orders: Vec<_> = orders.collect();
        // A host that was started anew says that it holds nothing until it has looked at its disk.
        let lacks = |artifact| !complete.contains(artifact) && !held_before.contains(artifact);
        for order in orders.iter().filter(|order| lacks(&order.artifact)) {
            self.distributions.begin(order.artifact, Instant::now());
        }
        HostResponse::Orders(HostOrders {
            term: self.term,
            services: orders,
            controls: self.controls.clone(),
            neighbours,
            revoked: self.revoked.for_a_host(),
            store: self.store_offers(&host, &complete),
        })
    }

    /// What a host lacks of what is seeded, and its share of each.
    fn store_offers(&mut self, host: &HostName, complete: &[ArtifactId]) -> Vec<StoreOffer> {
        let now = Instant::now();
        let listening = now.duration_since(self.began) < LISTEN_FIRST;
        let lacking = self
            .seeded
            .iter()
            .filter(|(artifact, _)| !complete.contains(artifact));
        let offers = lacking.take(STORE_OFFERS_MAX).map(|(artifact, seed)| StoreOffer {
            artifact: *artifact,
            address: seed.address.expose().to_owned().into(),
            valid_for_seconds: u32::try_from(seed.valid_for(now).as_secs()).unwrap_or(u32::MAX),
            slots: if listening {
                0
            } else {
                self.roster.store_slots(artifact, host)
            },
        });
        offers.collect()
    }

    fn manifest(&self, artifact: &ArtifactId) -> HostResponse {
        match self.seeded.get(artifact) {
            Some(seed) => HostResponse::Manifest(seed.manifest.to_vec()),
            None => HostResponse::Refused("the manager does not seed this artifact yet".to_owned()),
        }
    }

    /// The manager takes part in the swarm like a host that has everything.
    fn as_neighbour(&self) -> Neighbour {
        Neighbour {
            host: self.name.clone(),
            peer: self.swarm.local_peer().to_string(),
            addresses: self.swarm.addresses().to_vec(),
        }
    }

    /// Tells hosts to ask again. Those who do not hear it ask by themselves soon.
    async fn hint_everybody(&self) {
        self.hint(&self.roster.peers()).await;
    }

    /// Gives hosts their turn; who got it just now.
    fn take_turns(&mut self) -> Vec<HostName> {
        let Some(services) = self.services.clone() else {
            return Vec::new();
        };
        let may_add = self.began.elapsed() >= LISTEN_FIRST;
        self.turns.take(&services, &self.roster, may_add)
    }

    async fn hint(&self, peers: &[swarm::PeerId]) {
        if let Err(error) = self.swarm.hint(peers).await {
            tracing::debug!(%error, "failed to hint the hosts");
        }
    }

    fn expire(&mut self) {
        let lost = self.roster.expire(Instant::now());
        if lost > 0 {
            tracing::warn!(hosts.lost = lost, "hosts were not heard of for too long");
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and hosts are few")]
        ::metrics::gauge!(metrics::HOSTS_ALIVE).set(self.roster.alive() as f64);
    }

    fn next_report(&mut self, store_bytes_read: u64) -> Option<BoxFuture<'static, Sent>> {
        let now = Instant::now();
        if !self.reporter.may_report(now) {
            return None;
        }
        let words = match &self.services {
            Some(services) => self.turns.words(services, &self.roster),
            None => Vec::new(),
        };
        let news = News {
            instances: self.roster.changes(),
            hosts: self.roster.facts().changes(),
            distributions: self.fold(now),
            services: words,
        };
        let report = self
            .reporter
            .report(news, self.roster.alive(), store_bytes_read, now)?;
        Some(Box::pin(self.reporter.send(report)))
    }

    /// What is new of the distributions, every now and then.
    fn fold(&mut self, now: Instant) -> Vec<Distribution> {
        let Some(services) = self.services.as_ref().filter(|_| now >= self.fold_at) else {
            return Vec::new();
        };
        self.fold_at = now + FOLD_EVERY;
        let around = Around {
            wanted: &artifacts(services).collect(),
            limits: self.controls.limits,
            rarity: &self.sampling.latest(),
        };
        let news = self.distributions.fold(self.roster.arrivals(), &around, now);
        metrics::arrivals(self.distributions.totals());
        news
    }

    fn reported(&mut self, sent: Sent) {
        let now = Instant::now();
        self.reporter.ended(&sent, now);
        if sent.accepted {
            self.roster.accept(sent.report.instances);
            self.roster.facts().accept(sent.report.hosts);
            self.distributions.accept(sent.report.distributions, now);
        }
    }
}

/// Whether a host speaks for itself and within the limits.
fn check(certificate: &Certificate, report: &HostReport) -> Result<(), String> {
    let statement = certificate.statement();
    if statement.role != Role::Host || statement.name != report.host {
        return Err(format!(
            "the certificate is {}'s, not host {}'s",
            statement.name, report.host
        ));
    }
    if report.arrivals.len() > ARRIVALS_MAX {
        return Err(format!("a host tells of at most {ARRIVALS_MAX} arrivals"));
    }
    if report.instances.len() > SERVICES_MAX || report.complete.len() > SERVICES_MAX {
        return Err(format!(
            "a host has at most {SERVICES_MAX} services and artifacts"
        ));
    }
    if report.addresses.len() > ADDRESSES_MAX
        || report
            .addresses
            .iter()
            .any(|text| text.len() > ADDRESS_LENGTH_MAX)
    {
        return Err(format!(
            "a host has at most {ADDRESSES_MAX} addresses of {ADDRESS_LENGTH_MAX} bytes"
        ));
    }
    let reasons = report
        .instances
        .iter()
        .filter_map(|instance| instance.reason.as_ref());
    if reasons
        .chain(&report.trouble)
        .any(|reason| reason.len() > REASON_LENGTH_MAX)
    {
        return Err(format!("a reason has at most {REASON_LENGTH_MAX} bytes"));
    }
    Ok(())
}
