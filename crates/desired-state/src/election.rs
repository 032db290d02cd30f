//! Electing one replication manager of a region.

use crate::Error;
use crate::lease::Lease;
use crate::store::DesiredState;
use backon::{ExponentialBuilder, Retryable};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long to wait after a campaign that failed, at first and at most.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(250);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// The right to lead a region, until it is [`Leadership::lost`]. Dropping it gives it up.
#[derive(Debug)]
pub struct Leadership {
    lease: Lease,
    term: i64,
}

impl Leadership {
    /// Grows with every change of leader: the revision at which etcd created this candidate's key.
    pub fn term(&self) -> i64 {
        self.term
    }

    /// Cancelled as soon as the leadership is not certain any more, and before anybody else can have it.
    pub fn lost(&self) -> &CancellationToken {
        self.lease.lost()
    }

    /// Gives the leadership up and waits, for a bounded time, until the next candidate may take it.
    pub async fn resign(self) {
        self.lease.release().await;
    }
}

impl DesiredState {
    /// Waits until `candidate` leads the region, however long that takes and however often etcd goes away
    /// meanwhile. Fails with [`Error::Stopped`] alone, once `stop` is cancelled.
    pub async fn campaign(&self, candidate: &str, stop: &CancellationToken) -> Result<Leadership, Error> {
        let forever = ExponentialBuilder::default()
            .with_min_delay(RETRY_DELAY_MIN)
            .with_max_delay(RETRY_DELAY_MAX)
            .without_max_times()
            .with_jitter();
        let campaign = (|| self.campaign_once(candidate))
            .retry(forever)
            .notify(|error, delay| {
                warn!(
                    error = error as &dyn std::error::Error,
                    election.candidate = candidate,
                    election.retry_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    "campaign failed; trying again"
                );
            });
        tokio::select! {
            () = stop.cancelled() => Err(Error::Stopped),
            elected = campaign => elected,
        }
    }

    async fn campaign_once(&self, candidate: &str) -> Result<Leadership, Error> {
        const ACTION: &str = "campaign";
        let lease = Lease::grant(self.client.lease_client()).await?;
        let mut client = self.client.election_client();
        // No limit in time: it is answered when all earlier candidates are gone. The lease bounds it instead.
        let answer = tokio::select! {
            () = lease.lost().cancelled() => return Err(Error::LeaseLost),
            answer = client.campaign(self.election_name(), candidate, lease.id()) => answer,
        };
        let answer = answer.map_err(|error| Error::etcd(ACTION, error))?;
        let key = answer.leader().ok_or(Error::Incomplete { action: ACTION })?;
        let term = key.rev();
        Ok(Leadership { lease, term })
    }
}
