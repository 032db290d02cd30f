//! The worker's loop: take a build whenever a slot is free, until told to stop.

use crate::attempt::{self, Outcome, Workshop};
use crate::config::{Config, Dependencies};
use crate::folders::WorkFolder;
use crate::gate::Gate;
use crate::heartbeat::Heart;
use crate::lease::{Lease, Leases};
use crate::{Error, metrics};
use database::jobs::Claim;
use database::{Hint, Hints, Jobs};
use failpoint::Point;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tasks::sandbox::{Cgroups, Isolation};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// How long a slot rests after the machine failed a build, so that a worker with a full disk does not
/// take build after build.
const REST_AFTER_FAULT: Duration = Duration::from_secs(5);

/// A build worker.
#[derive(Debug)]
pub struct Service {
    config: Config,
    parts: Dependencies,
}

impl Service {
    /// Checks the configuration; nothing happens before [`Self::run`].
    pub fn new(config: Config, parts: Dependencies) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self { config, parts })
    }

    /// Builds until `stop` is cancelled, then lets running builds end within the grace, and hands the
    /// others back.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let folder = WorkFolder::open(self.config.work_folder.clone(), self.config.caches_max).await?;
        check_sandbox(&self.config).await?;
        let leases = Leases::default();
        let heart = Heart::start(&self.config, leases.clone())?;
        let mut worker = Worker {
            gate: Gate::new(&self.config),
            queue: Queue::new(self.parts.jobs.clone(), self.config.poll_every),
            workshop: Arc::new(Workshop {
                config: self.config,
                parts: self.parts,
                folder,
            }),
            leases: leases.clone(),
            attempts: JoinSet::new(),
            abandon: CancellationToken::new(),
        };
        tracing::info!(worker.name = %worker.workshop.config.name, "the worker takes builds");
        let worked = tokio::select! {
            () = worker.take_builds(&stop) => Ok(()),
            () = heart.stopped() => Err(Error::HeartbeatEnded),
        };
        if worked.is_err() {
            leases.give_up_all();
        }
        worker.drain().await;
        heart.stop().await;
        worked
    }
}

struct Worker {
    workshop: Arc<Workshop>,
    gate: Gate,
    queue: Queue,
    leases: Leases,
    attempts: JoinSet<()>,
    /// Tells every attempt to end and to hand its build back.
    abandon: CancellationToken,
}

impl Worker {
    /// The loop. `stop` does not interrupt a claim: a lease that nobody knows of would block its build until the reaper
    /// comes.
    async fn take_builds(&mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if self.attempts.len() >= self.workshop.config.slots {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = self.attempts.join_next() => continue,
                }
            }
            let room = self.gate.room(self.attempts.len()).await;
            if room == 0 {
                self.wait(stop).await;
                continue;
            }
            let asked = Instant::now();
            let claims = self.claim(room).await;
            if claims.is_empty() {
                self.wait(stop).await;
            }
            for claim in claims {
                self.begin(claim, asked, stop.clone());
            }
        }
    }

    /// Takes up to so many builds; none while the database is away. Only a claim that is not answered for so long that
    /// its leases could not be believed in any more is given up: a connection may be open at this end alone.
    async fn claim(&self, room: usize) -> Vec<Claim> {
        let config = &self.workshop.config;
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let claim = self.queue.jobs.claim_many(&config.name, limit);
        match tokio::time::timeout(config.give_up_after(), claim).await {
            Ok(Ok(claims)) => claims,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "failed to look for a build");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!("the database did not answer a claim; asking again");
                Vec::new()
            }
        }
    }

    /// Waits until there may be a build to take.
    async fn wait(&mut self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.queue.changed() => {}
            // Reaped as they end, not only when the slots are full.
            Some(_) = self.attempts.join_next() => {}
        }
    }

    fn begin(&mut self, claim: Claim, asked: Instant, stop: CancellationToken) {
        let lease = self.leases.hold(self.queue.jobs.clone(), &claim, asked);
        let span = tracing::info_span!(
            "attempt",
            build.id = %claim.build,
            build.target = %claim.target,
            build.lease = %claim.lease,
        );
        let (workshop, abandon) = (self.workshop.clone(), self.abandon.clone());
        let attempt = async move { run_attempt(&workshop, &claim, lease, &abandon, &stop).await };
        self.attempts.spawn(attempt.instrument(span));
    }

    /// Lets attempts end for a while, then ends them; returns when all have ended.
    async fn drain(mut self) {
        let grace = self.workshop.config.stop_grace;
        let all = async { while self.attempts.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::info!(attempts = self.attempts.len(), "handing unfinished builds back");
            self.abandon.cancel();
            while self.attempts.join_next().await.is_some() {}
        }
    }
}

async fn run_attempt(
    workshop: &Arc<Workshop>,
    claim: &Claim,
    lease: Lease,
    abandon: &CancellationToken,
    stop: &CancellationToken,
) {
    failpoint::reach(Point::WorkerClaimed);
    let running = ::metrics::gauge!(metrics::ATTEMPTS_RUNNING);
    running.increment(1.0);
    let outcome = Box::pin(attempt::run(workshop, claim, &lease, abandon)).await;
    running.decrement(1.0);
    drop(lease);
    tracing::info!(attempt.outcome = ?outcome, "an attempt has ended");
    let word = match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Retried => "retried",
        Outcome::HandedBack => "handed_back",
        Outcome::LeaseLost => "lease_lost",
    };
    ::metrics::counter!(metrics::ATTEMPTS, "outcome" => word).increment(1);
    if outcome == Outcome::Retried {
        stop.run_until_cancelled(tokio::time::sleep(REST_AFTER_FAULT))
            .await;
    }
}

/// The queue as the worker watches it: by hints, and by looking now and then.
struct Queue {
    jobs: Jobs,
    hints: Option<Hints>,
    poll_every: Duration,
}

impl Queue {
    fn new(jobs: Jobs, poll_every: Duration) -> Self {
        Self {
            jobs,
            hints: None,
            poll_every,
        }
    }

    /// Waits for a hint that a build was enqueued, or until it is time to look anyway.
    async fn changed(&mut self) {
        let _ = tokio::time::timeout(self.poll_every, self.hint()).await;
    }

    async fn hint(&mut self) {
        let hints = match &mut self.hints {
            Some(hints) => hints,
            None => match self.jobs.listen().await {
                // A build may have come before the listening began.
                Ok(hints) => {
                    self.hints = Some(hints);
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "no hints now; looking from time to time");
                    return std::future::pending().await;
                }
            },
        };
        while !matches!(hints.next().await, Hint::Queued | Hint::Anything) {}
    }
}

/// Builds that cannot run would be claimed and given back one by one: better to say so once, now.
async fn check_sandbox(config: &Config) -> Result<(), Error> {
    if config.sandbox.isolation == Isolation::ProcessGroup {
        tracing::warn!(
            "builds run without a sandbox: they see this machine's files and network, and a process that \
             leaves its group outlives its build"
        );
    }
    let held = config.sandbox.cgroups.as_ref().map(Cgroups::controllers);
    tracing::info!(
        sandbox.isolation = ?config.sandbox.isolation,
        sandbox.cgroups = ?held.unwrap_or_default(),
        "how builds are kept apart and held to their limits"
    );
    let scratch = config.work_folder.join("sandbox-check");
    let source = scratch.join("source");
    fs_err::tokio::create_dir_all(&source)
        .await
        .map_err(Error::WorkFolder)?;
    config
        .sandbox
        .check(source, scratch)
        .await
        .map_err(Error::Sandbox)
}
