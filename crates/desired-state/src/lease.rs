//! A lease that is kept alive, and that knows by this process's own clock when it must count as lost.

use crate::Error;
use crate::store::limited;
use etcd_client::LeaseClient;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, debug, info_span, warn};

/// How long etcd keeps a lease that is not renewed.
const TTL: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How much earlier than etcd we count it as lost. It covers clocks of unlike speed and work that was begun
/// a moment before.
const MARGIN: Duration = Duration::from_secs(2);

/// A granted lease, renewed by a task that ends with it. Dropping it gives the lease back.
#[derive(Debug)]
pub(crate) struct Lease {
    id: i64,
    lost: CancellationToken,
    _release: DropGuard,
    keeper: JoinHandle<()>,
}

impl Lease {
    pub(crate) async fn grant(mut client: LeaseClient) -> Result<Self, Error> {
        // The time is taken before the request is sent: etcd can only have started its own clock later.
        let asked = Instant::now();
        let ttl_seconds = i64::try_from(TTL.as_secs()).unwrap_or(i64::MAX);
        let granted = limited("grant a lease", client.grant(ttl_seconds, None)).await?;
        let id = granted.id();
        let lost = CancellationToken::new();
        let release = CancellationToken::new();
        let keeper = Keeper {
            client,
            id,
            deadline: asked + TTL - MARGIN,
            lost: lost.clone(),
        };
        let task = keeper
            .run(release.clone())
            .instrument(info_span!("lease", lease.id = id));
        Ok(Self {
            id,
            lost,
            _release: release.drop_guard(),
            keeper: tokio::spawn(task),
        })
    }

    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// Cancelled when the lease can no longer be relied on.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives the lease back and waits until etcd knows, for a bounded time.
    pub(crate) async fn release(self) {
        let Self { _release, keeper, .. } = self;
        drop(_release);
        // The keeper's only failure is a panic, and then the lease simply expires.
        keeper.await.ok();
    }
}

struct Keeper {
    client: LeaseClient,
    id: i64,
    deadline: Instant,
    lost: CancellationToken,
}

impl Keeper {
    /// Renews until released or lost, then says so and gives the lease back.
    async fn run(mut self, release: CancellationToken) {
        // Cancelled however this task ends, even by a panic or with its runtime.
        let lost = self.lost.clone().drop_guard();
        tokio::select! {
            () = release.cancelled() => {}
            () = self.renew_until_lost() => warn!("lease lost: etcd did not renew it in time"),
        }
        drop(lost);
        if let Err(error) = limited("revoke a lease", self.client.revoke(self.id)).await {
            debug!(error = &error as &dyn std::error::Error, "lease left to expire");
        }
    }

    async fn renew_until_lost(&mut self) {
        loop {
            let next = Instant::now() + RENEW_INTERVAL;
            match tokio::time::timeout_at(self.deadline, self.renew()).await {
                Ok(Ok(deadline)) => self.deadline = deadline,
                Ok(Err(Error::LeaseLost)) | Err(_) => return,
                Ok(Err(error)) => {
                    debug!(
                        error = &error as &dyn std::error::Error,
                        "lease not renewed; trying again"
                    );
                }
            }
            tokio::time::sleep_until(next.min(self.deadline)).await;
            if Instant::now() >= self.deadline {
                return;
            }
        }
    }

    /// Renews once; the new deadline.
    async fn renew(&mut self) -> Result<Instant, Error> {
        let asked = Instant::now();
        match limited("renew a lease", self.client.keep_alive(self.id)).await {
            Ok(_) => Ok(asked + TTL - MARGIN),
            // The client answers so, and only so, when etcd no longer knows the lease.
            Err(Error::Etcd { source, .. })
                if matches!(*source, etcd_client::Error::LeaseKeepAliveError(_)) =>
            {
                Err(Error::LeaseLost)
            }
            Err(error) => Err(error),
        }
    }
}
