//! Standing by, and leading when it is this manager's turn.

use crate::leader::Leader;
use crate::listing::Listing;
use crate::logs::Logs;
use crate::reporter::Reporter;
use crate::revocations::{Revocations, Revoked};
use crate::seeds::Seeds;
use crate::{Config, Error, metrics};
use artifact_store::Store;
use desired_state::{DesiredState, Leadership};
use model::host::HostResponse;
use swarm::{Handle, IncomingCall};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// One manager of a region.
#[derive(Debug)]
pub struct Service {
    config: Config,
    desired: DesiredState,
    store: Store,
    swarm: Handle,
    calls: mpsc::Receiver<IncomingCall>,
    http: reqwest::Client,
}

impl Service {
    /// Prepares a manager; nothing happens before [`Self::run`].
    ///
    /// # Errors
    /// [`Error::Client`].
    pub fn new(
        config: Config,
        desired: DesiredState,
        store: Store,
        (swarm, calls): (Handle, mpsc::Receiver<IncomingCall>),
    ) -> Result<Self, Error> {
        let http = Reporter::client().map_err(Error::Client)?;
        Ok(Self {
            config,
            desired,
            store,
            swarm,
            calls,
            http,
        })
    }

    /// Campaigns, leads, and campaigns again when the leadership was lost, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let revocations = Revocations::start(&self.config, self.http.clone(), self.swarm.clone());
        while let Some(leadership) = self.stand_by(&stop).await {
            tracing::info!(region.name = %self.config.region, leader.term = leadership.term(), "leads its region");
            ::metrics::gauge!(metrics::LEADING).set(1.0);
            self.lead(&leadership, revocations.revoked(), &stop).await;
            ::metrics::gauge!(metrics::LEADING).set(0.0);
            if stop.is_cancelled() {
                // The next one need not wait for the lease to run out.
                leadership.resign().await;
            } else {
                tracing::warn!(region.name = %self.config.region, "lost the leadership of its region");
            }
        }
    }

    /// Tells every host to ask another until this manager leads; `None` once it is stopped.
    async fn stand_by(&mut self, stop: &CancellationToken) -> Option<Leadership> {
        let campaign = self.desired.campaign(self.config.candidate.as_str(), stop);
        tokio::pin!(campaign);
        loop {
            tokio::select! {
                // An error means that it was stopped, and nothing else.
                elected = &mut campaign => return elected.ok(),
                Some(call) = self.calls.recv() => reply(call, &HostResponse::StandingBy),
            }
        }
    }

    async fn lead(
        &mut self,
        leadership: &Leadership,
        revoked: watch::Receiver<Revoked>,
        stop: &CancellationToken,
    ) {
        let listing = Listing::start(self.desired.clone(), self.config.period);
        let seeds = Seeds::start(
            self.store.clone(),
            self.swarm.clone(),
            self.config.trusted_keys.clone(),
            self.config.period,
            listing.services(),
        );
        let reporter = Reporter::new(&self.config, self.http.clone(), leadership.term());
        let logs = Logs::start(&self.config, self.http.clone(), self.swarm.clone());
        let leader = Leader::new(&self.config, leadership.term(), self.swarm.clone(), reporter);
        tokio::select! {
            // Whoever may not lead any more answers no further host.
            biased;
            () = stop.cancelled() => {}
            () = leadership.lost().cancelled() => {}
            () = leader.run(&mut self.calls, listing, seeds, logs, revoked) => {}
        }
    }
}

/// Answers a host. What cannot be sent is asked for again by the host.
pub(crate) fn reply(call: IncomingCall, response: &HostResponse) {
    let peer = call.peer();
    let sent = postcard::to_stdvec(response).map_err(|error| error.to_string());
    let sent = sent.and_then(|bytes| call.answer(bytes).map_err(|error| error.to_string()));
    if let Err(error) = sent {
        tracing::warn!(error, peer.id = %peer, "failed to answer a host");
    }
}
