//! The right to write for one build, and every write that needs it.

use crate::fault::Fault;
use backon::{BackoffBuilder, ExponentialBuilder};
use database::jobs::{Claim, Dropped};
use database::{Error, Jobs};
use model::{BuildId, InputKey, LeaseId, Phase};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The leases that this worker holds, shared between the attempts and the heartbeat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases {
    held: Arc<Mutex<BTreeMap<LeaseId, Held>>>,
}

#[derive(Debug)]
struct Held {
    lost: CancellationToken,
    /// When the newest sign of life that the database took was sent, on this machine's monotonic clock.
    confirmed: Instant,
}

impl Leases {
    /// Takes up a lease that was asked for at `asked`. It is let go of when the value is dropped.
    pub(crate) fn hold(&self, jobs: Jobs, claim: &Claim, asked: Instant) -> Lease {
        let lost = CancellationToken::new();
        let held = Held {
            lost: lost.clone(),
            confirmed: asked,
        };
        self.lock().insert(claim.lease, held);
        Lease {
            jobs,
            build: claim.build,
            id: claim.lease,
            lost,
            leases: self.clone(),
        }
    }

    pub(crate) fn ids(&self) -> Vec<LeaseId> {
        self.lock().keys().copied().collect()
    }

    /// The database took a sign of life for `named`, which was sent at `sent`, and answered that it knows
    /// nothing of `lost`.
    pub(crate) fn confirm(&self, named: &[LeaseId], sent: Instant, lost: &[LeaseId]) {
        let mut held = self.lock();
        for lease in named {
            if let Some(held) = held.get_mut(lease) {
                held.confirmed = sent;
            }
        }
        for lease in lost {
            if let Some(held) = held.get(lease) {
                tracing::warn!(build.lease = %lease, "a lease was lost; its build is killed");
                held.lost.cancel();
            }
        }
    }

    /// Gives up every lease that was not confirmed for `limit`: somebody else may be given it soon.
    pub(crate) fn give_up_unconfirmed(&self, limit: Duration) {
        for (lease, held) in self.lock().iter() {
            if held.confirmed.elapsed() >= limit && !held.lost.is_cancelled() {
                tracing::error!(build.lease = %lease, "the database cannot be reached; a build is killed");
                held.lost.cancel();
            }
        }
    }

    pub(crate) fn give_up_all(&self) {
        for held in self.lock().values() {
            held.lost.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseId, Held>> {
        // Nothing panics while it holds this lock, and the map is whole between any two statements.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt's lease. Every write is refused by the database once the build is not RUNNING under it;
/// a database that is away is asked again until the lease is lost.
#[derive(Debug)]
pub(crate) struct Lease {
    jobs: Jobs,
    build: BuildId,
    id: LeaseId,
    lost: CancellationToken,
    leases: Leases,
}

impl Lease {
    pub(crate) fn build(&self) -> BuildId {
        self.build
    }

    pub(crate) fn id(&self) -> LeaseId {
        self.id
    }

    /// Cancelled once the build is not ours any more.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    pub(crate) async fn begin_phase(&self, phase: Phase, limit: Option<Duration>) -> Result<(), Fault> {
        let write = || self.jobs.begin_phase_within(self.build, self.id, phase, limit);
        self.insist("record a phase", write).await
    }

    pub(crate) async fn progress(&self, done: u64, total: u64) -> Result<(), Fault> {
        let write = || self.jobs.progress(self.build, self.id, done, total);
        self.insist("record the progress", write).await
    }

    pub(crate) async fn append_log(&self, sequence: i64, bytes: &[u8]) -> Result<(), Fault> {
        let write = || self.jobs.append_log(self.build, self.id, sequence, bytes);
        self.insist("store the log", write).await
    }

    pub(crate) async fn append_log_gap(
        &self,
        sequence: i64,
        notice: &[u8],
        dropped: Dropped,
    ) -> Result<(), Fault> {
        let write = || {
            self.jobs
                .append_log_gap(self.build, self.id, sequence, notice, dropped)
        };
        self.insist("store the log", write).await
    }

    pub(crate) async fn note_inputs(
        &self,
        inputs: &InputKey,
        reused_from: Option<BuildId>,
    ) -> Result<(), Fault> {
        let write = || self.jobs.note_inputs(self.build, self.id, inputs, reused_from);
        self.insist("record the inputs", write).await
    }

    /// For a test, which makes nothing; whoever publishes records what was made.
    pub(crate) async fn pass(&self) -> Result<(), Fault> {
        let write = || self.jobs.succeed_with(self.build, self.id, None);
        self.insist("record the success", write).await
    }

    pub(crate) async fn fail(&self, reason: &str) -> Result<(), Fault> {
        let write = || self.jobs.fail(self.build, self.id, reason);
        self.insist("record the failure", write).await
    }

    pub(crate) async fn retry(&self, reason: &str) -> Result<(), Fault> {
        let write = || self.jobs.retry(self.build, self.id, reason);
        self.insist("let the build be tried again", write).await
    }

    pub(crate) async fn hand_back(&self) -> Result<(), Fault> {
        let write = || self.jobs.hand_back(self.build, self.id);
        self.insist("hand the build back", write).await
    }

    /// Writes again and again while the database is away. An answer that got lost after the write was
    /// done shows as a lost lease, which is as good: the build has ended.
    async fn insist<T, W>(&self, action: &'static str, write: impl Fn() -> W) -> Result<T, Fault>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            let written = self.lost.run_until_cancelled(write()).await;
            match written.ok_or(Fault::LeaseLost)? {
                Ok(written) => return Ok(written),
                Err(Error::LeaseLost { .. }) => {
                    self.lost.cancel();
                    return Err(Fault::LeaseLost);
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "failed to {action}; trying again");
                    let pause = pauses.next().unwrap_or(Duration::from_secs(2));
                    let slept = self.lost.run_until_cancelled(tokio::time::sleep(pause)).await;
                    slept.ok_or(Fault::LeaseLost)?;
                }
                Err(error) => return Err(Fault::infrastructure(action)(error)),
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.id);
    }
}
