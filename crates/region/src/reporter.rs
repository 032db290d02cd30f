//! Telling the control plane what changed on the region's hosts.

use crate::Config;
use crate::metrics;
use model::RegionName;
use model::distribution::Distribution;
use model::region_report::{HostFacts, HostInstance, RegionReport, ServiceWord};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio::time::Instant;

/// How long the API may take over one report.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a new leader listens before it speaks: hosts ask every two seconds, and a count of those
/// that happened to ask first would look like a whole region.
const LISTEN_FIRST: Duration = Duration::from_secs(3);
/// Without anything to tell, a report says at least this often that the region is alive.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// After a report that failed, at first and at most.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(500);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// Sends one report at a time, and decides when the next one is due.
#[derive(Debug)]
pub(crate) struct Reporter {
    http: reqwest::Client,
    url: String,
    token: SecretString,
    region: RegionName,
    term: i64,
    told_alive: Option<u32>,
    told_services: Vec<ServiceWord>,
    told_at: Option<Instant>,
    not_before: Instant,
    retry_delay: Duration,
}

/// What the control plane has not heard yet.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) instances: Vec<HostInstance>,
    pub(crate) hosts: Vec<HostFacts>,
    pub(crate) distributions: Vec<Distribution>,
    /// Whom the leader gave which order; all of it, each time.
    pub(crate) services: Vec<ServiceWord>,
}

impl News {
    /// Whether there is nothing but what is told each time.
    fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.hosts.is_empty() && self.distributions.is_empty()
    }
}

/// A report that ended.
pub(crate) struct Sent {
    /// What was in it.
    pub(crate) report: RegionReport,
    /// Whether the control plane took it.
    pub(crate) accepted: bool,
}

impl Reporter {
    pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder().timeout(ANSWER_LIMIT).build()
    }

    pub(crate) fn new(config: &Config, http: reqwest::Client, term: i64) -> Self {
        let url = format!(
            "{}/v1/regions/{}/report",
            config.api.trim_end_matches('/'),
            config.region
        );
        Self {
            http,
            url,
            token: config.token.clone(),
            region: config.region.clone(),
            term,
            told_alive: None,
            told_services: Vec::new(),
            told_at: None,
            not_before: Instant::now() + LISTEN_FIRST,
            retry_delay: RETRY_DELAY_MIN,
        }
    }

    /// Whether the leader has listened for long enough, and a failure is long enough ago to try again.
    pub(crate) fn may_report(&self, now: Instant) -> bool {
        now >= self.not_before
    }

    /// The next report, if there is a reason for one.
    pub(crate) fn report(
        &self,
        news: News,
        alive: usize,
        store_bytes_read: u64,
        now: Instant,
    ) -> Option<RegionReport> {
        let hosts_alive = u32::try_from(alive).unwrap_or(u32::MAX);
        let silent = self
            .told_at
            .is_none_or(|at| now.duration_since(at) >= SILENCE_MAX);
        let words = self.told_services != news.services;
        if news.is_empty() && !words && self.told_alive == Some(hosts_alive) && !silent {
            return None;
        }
        let (region, term) = (self.region.clone(), self.term);
        Some(RegionReport {
            region,
            term,
            hosts_alive,
            store_bytes_read,
            instances: news.instances,
            services: news.services,
            hosts: news.hosts,
            distributions: news.distributions,
        })
    }

    /// Sends a report. Does not borrow the reporter, so that its owner goes on meanwhile.
    pub(crate) fn send(&self, report: RegionReport) -> impl Future<Output = Sent> + Send + 'static {
        let request = self
            .http
            .post(&self.url)
            .bearer_auth(self.token.expose_secret())
            .json(&report);
        async move {
            let answer = request.send().await.and_then(reqwest::Response::error_for_status);
            let outcome = if answer.is_ok() { "accepted" } else { "failed" };
            ::metrics::counter!(metrics::REPORTS_TOTAL, "outcome" => outcome).increment(1);
            if let Err(error) = &answer {
                let error = error as &dyn std::error::Error;
                tracing::warn!(error, "the control plane did not take a report; trying again");
            }
            Sent {
                report,
                accepted: answer.is_ok(),
            }
        }
    }

    /// Remembers how a report ended.
    pub(crate) fn ended(&mut self, sent: &Sent, now: Instant) {
        if sent.accepted {
            self.told_alive = Some(sent.report.hosts_alive);
            self.told_services.clone_from(&sent.report.services);
            self.told_at = Some(now);
            self.retry_delay = RETRY_DELAY_MIN;
        } else {
            self.not_before = now + self.retry_delay;
            self.retry_delay = RETRY_DELAY_MAX.min(self.retry_delay * 2);
        }
    }
}
