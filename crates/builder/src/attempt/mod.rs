//! One attempt at one build: checkout and build, then upload and publish.

mod build;
mod checkout;
mod command;
mod deadline;
mod publish;
mod reuse;

use crate::config::{Config, Dependencies};
use crate::fault::{Fault, chain};
use crate::folders::{AttemptFolder, WorkFolder};
use crate::lease::Lease;
use crate::log::{self, Log};
use crate::metrics;
use crate::publishing::Publishing;
use checkout::Found;
use database::jobs::{Claim, Made};
use deadline::Deadline;
use failpoint::Point;
use model::Phase;
use model::project::TargetKind;
use publish::Stored;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Everything that the attempts of one worker share.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) config: Config,
    pub(crate) parts: Dependencies,
    pub(crate) folder: WorkFolder,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    /// The machine's fault: it is tried again, or was tried often enough.
    Retried,
    HandedBack,
    LeaseLost,
}

/// What an attempt that went well made; a test makes nothing.
type Done = Option<Made>;

/// One attempt, while it works.
struct Attempt<'a> {
    workshop: &'a Arc<Workshop>,
    claim: &'a Claim,
    lease: &'a Lease,
    folder: &'a AttemptFolder,
    log: Log,
    /// When the attempt is overdue; another once its upload begins.
    deadline: watch::Sender<Deadline>,
    /// Cancelled when the work is to end early; why is for the caller to know.
    stop: CancellationToken,
}

/// Runs an attempt to its end and records how it ended. When it returns, nothing of it runs and its
/// folder is gone. `abandon` asks it to end early and to hand the build back.
pub(crate) async fn run(
    workshop: &Arc<Workshop>,
    claim: &Claim,
    lease: &Lease,
    abandon: &CancellationToken,
) -> Outcome {
    let worked = match workshop.folder.attempt(claim.build, claim.lease).await {
        Err(error) => Err(Fault::infrastructure("make the attempt's folder")(error)),
        Ok(folder) => {
            let worked = work_with_log(workshop, claim, lease, &folder, abandon).await;
            folder.remove().await;
            worked
        }
    };
    let publishing = Publishing::new(&workshop.parts.publishing, lease);
    conclude(lease, publishing, worked)
        .await
        .unwrap_or_else(|fault| match fault {
            Fault::LeaseLost => Outcome::LeaseLost,
            // The lease runs out by itself, and the reaper gives the build back.
            fault => {
                tracing::error!(?fault, "an attempt's end could not be recorded");
                Outcome::LeaseLost
            }
        })
}

/// Works while its log is stored; returns when both are done.
async fn work_with_log(
    workshop: &Arc<Workshop>,
    claim: &Claim,
    lease: &Lease,
    folder: &AttemptFolder,
    abandon: &CancellationToken,
) -> Result<Done, Fault> {
    let (log, shipper) = log::open(lease, workshop.config.log);
    let attempt = Attempt {
        workshop,
        claim,
        lease,
        folder,
        log,
        deadline: watch::Sender::new(Deadline::of_build(claim.time_left)),
        stop: CancellationToken::new(),
    };
    // The log ends when the attempt, which holds its writing end, is dropped.
    let work = async move {
        let worked = attempt.work_until_told(abandon).await;
        attempt.say_how_it_ended(&worked).await;
        worked
    };
    let (worked, shipped) = tokio::join!(Box::pin(work), shipper.run());
    // A build whose log could not be kept is not a success that anybody could read.
    worked.and_then(|made| shipped.map(|()| made))
}

/// The write that counts, last of all.
async fn conclude(
    lease: &Lease,
    publishing: Publishing<'_>,
    worked: Result<Done, Fault>,
) -> Result<Outcome, Fault> {
    match worked {
        Ok(made) => {
            match made {
                Some(made) => {
                    let succeeded = lease
                        .lost()
                        .run_until_cancelled(publishing.succeed(made.artifact));
                    succeeded.await.ok_or(Fault::LeaseLost)??;
                }
                None => lease.pass().await?,
            }
            failpoint::reach(Point::WorkerSucceeded);
            Ok(Outcome::Succeeded)
        }
        Err(Fault::Build(reason)) => {
            lease.fail(&reason).await?;
            Ok(Outcome::Failed)
        }
        Err(Fault::Infrastructure { action, source }) => {
            let cause = chain(source.as_ref());
            lease.retry(&format!("failed to {action}: {cause}")).await?;
            Ok(Outcome::Retried)
        }
        Err(Fault::Stopped) => {
            lease.hand_back().await?;
            Ok(Outcome::HandedBack)
        }
        Err(Fault::LeaseLost) => Ok(Outcome::LeaseLost),
    }
}

impl Attempt<'_> {
    /// Works until it is done, or one of those who may end it early does. Told to stop, the work kills
    /// what it runs and returns soon; it is waited for, so that it leaves nothing behind.
    async fn work_until_told(&self, abandon: &CancellationToken) -> Result<Done, Fault> {
        let mut work = Box::pin(self.work());
        let why = tokio::select! {
            worked = &mut work => return worked,
            () = self.lease.lost().cancelled() => Fault::LeaseLost,
            () = abandon.cancelled() => Fault::Stopped,
            fault = deadline::passed(self.deadline.subscribe()) => fault,
        };
        self.stop.cancel();
        match work.await {
            Err(Fault::Stopped) => Err(why),
            worked => worked,
        }
    }

    async fn work(&self) -> Result<Done, Fault> {
        let target = match self.checkout().await? {
            Found::Target(target) => target,
            Found::Earlier(made) => return Ok(made),
        };
        failpoint::reach(Point::WorkerCheckedOut);
        self.build(&target).await?;
        failpoint::reach(Point::WorkerBuilt);
        match target.kind {
            TargetKind::Test => {
                self.log.say("the test has passed").await;
                Ok(None)
            }
            TargetKind::Artifact => {
                let outputs = self.collect(&target).await?;
                match self.upload(outputs).await? {
                    Stored::New(publication) => self.publish(&publication).await.map(Some),
                    Stored::Earlier(made) => Ok(Some(made)),
                }
            }
        }
    }

    async fn begin(&self, phase: Phase) -> Result<PhaseTimer, Fault> {
        if self.stop.is_cancelled() {
            return Err(Fault::Stopped);
        }
        let limit = match phase {
            Phase::Upload => Some(self.begin_upload_deadline()),
            Phase::Checkout | Phase::Build | Phase::Publish => None,
        };
        self.lease.begin_phase(phase, limit).await?;
        tracing::info!(build.phase = %phase, "a phase begins");
        let began = Instant::now();
        Ok(PhaseTimer { phase, began })
    }

    /// For what kills its own processes when it is dropped.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        self.stop
            .run_until_cancelled(Box::pin(work))
            .await
            .ok_or(Fault::Stopped)
    }

    async fn say_how_it_ended(&self, worked: &Result<Done, Fault>) {
        match worked {
            Ok(_) => {}
            Err(Fault::Build(reason)) => self.log.say(&format!("FAILED: {reason}")).await,
            Err(Fault::Infrastructure { action, source }) => {
                let cause = chain(source.as_ref());
                tracing::warn!(error = cause, "failed to {action}");
                self.log
                    .say(&format!("the worker failed to {action}: {cause}"))
                    .await;
            }
            Err(Fault::Stopped) => self.log.say("the worker stops; another will start over").await,
            Err(Fault::LeaseLost) => {}
        }
    }
}

/// Counts how long a phase took, however it ends.
struct PhaseTimer {
    phase: Phase,
    began: Instant,
}

impl Drop for PhaseTimer {
    fn drop(&mut self) {
        let seconds = self.began.elapsed().as_secs_f64();
        ::metrics::histogram!(metrics::PHASE_SECONDS, "phase" => self.phase.as_str()).record(seconds);
    }
}
