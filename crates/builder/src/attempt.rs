//! One attempt at one build: checkout, build, upload, publish.

use crate::config::{Config, Dependencies};
use crate::fault::{Fault, chain};
use crate::folders::{AttemptFolder, WorkFolder};
use crate::lease::Lease;
use crate::log::{self, Log};
use crate::{metrics, pack, project};
use artifact::Provenance;
use artifact_store::{ContentKey, Outputs, StoredManifest, Uploaded};
use database::jobs::{ATTEMPTS_MAX, Claim};
use model::project::TargetSpec;
use model::{ArtifactId, Phase};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tasks::sandbox::{Command, Exit};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the progress of an upload is recorded.
const REPORT_EVERY: Duration = Duration::from_millis(500);

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
    HandedBack,
    LeaseLost,
}

/// What an attempt made.
struct Published {
    artifact: ArtifactId,
    total: u64,
}

/// One attempt, while it works.
struct Attempt<'a> {
    workshop: &'a Workshop,
    claim: &'a Claim,
    lease: &'a Lease,
    folder: &'a AttemptFolder,
    log: Log,
    /// Cancelled when the work is to end early; why is for the caller to know.
    stop: CancellationToken,
}

/// Runs an attempt to its end and records how it ended. When it returns, nothing of it runs and its
/// folder is gone. `abandon` asks it to end early and to hand the build back.
pub(crate) async fn run(
    workshop: &Workshop,
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
    conclude(claim, lease, worked)
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
    workshop: &Workshop,
    claim: &Claim,
    lease: &Lease,
    folder: &AttemptFolder,
    abandon: &CancellationToken,
) -> Result<Published, Fault> {
    let (log, shipper) = log::open(lease, workshop.config.log);
    let attempt = Attempt {
        workshop,
        claim,
        lease,
        folder,
        log,
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
    worked.and_then(|published| shipped.map(|()| published))
}

/// The write that counts, last of all.
async fn conclude(claim: &Claim, lease: &Lease, worked: Result<Published, Fault>) -> Result<Outcome, Fault> {
    match worked {
        Ok(published) => {
            lease.succeed(&published.artifact, published.total).await?;
            Ok(Outcome::Succeeded)
        }
        Err(Fault::Build(reason)) => {
            lease.fail(&reason).await?;
            Ok(Outcome::Failed)
        }
        Err(Fault::Infrastructure { action, source }) if claim.attempt.0 >= ATTEMPTS_MAX => {
            let (attempt, cause) = (claim.attempt.0, chain(source.as_ref()));
            lease
                .fail(&format!(
                    "attempt {attempt}, the last, failed to {action}: {cause}"
                ))
                .await?;
            Ok(Outcome::Failed)
        }
        Err(Fault::Infrastructure { .. } | Fault::Stopped) => {
            lease.hand_back().await?;
            Ok(Outcome::HandedBack)
        }
        Err(Fault::LeaseLost) => Ok(Outcome::LeaseLost),
    }
}

impl Attempt<'_> {
    /// Works until it is done, or one of those who may end it early does. Told to stop, the work kills
    /// what it runs and returns soon; it is waited for, so that it leaves nothing behind.
    async fn work_until_told(&self, abandon: &CancellationToken) -> Result<Published, Fault> {
        let time_left = self.claim.time_left;
        let mut work = Box::pin(self.work());
        let why = tokio::select! {
            worked = &mut work => return worked,
            () = self.lease.lost().cancelled() => Fault::LeaseLost,
            () = abandon.cancelled() => Fault::Stopped,
            () = tokio::time::sleep(time_left) => {
                Fault::Build(format!("it ran longer than its deadline of {} s", time_left.as_secs()))
            }
        };
        self.stop.cancel();
        match work.await {
            Err(Fault::Stopped) => Err(why),
            worked => worked,
        }
    }

    async fn work(&self) -> Result<Published, Fault> {
        let target = self.checkout().await?;
        let outputs = self.build(&target).await?;
        let uploaded = self.upload(outputs).await?;
        self.publish(uploaded).await
    }

    /// CHECKOUT: the mirror gets the commit, the commit tells about the target, its files are laid out.
    async fn checkout(&self) -> Result<TargetSpec, Fault> {
        let _timer = self.begin(Phase::Checkout).await?;
        let (claim, mirrors) = (self.claim, &self.workshop.parts.mirrors);
        let (attempt, worker) = (claim.attempt.0, &self.workshop.config.name);
        self.log
            .say(&format!(
                "attempt {attempt} at {} of {} {} on {worker}",
                claim.target, claim.repository, claim.commit
            ))
            .await;
        self.unless_stopped(mirrors.ensure_commit(&claim.repository, &claim.url, &claim.commit))
            .await?
            .map_err(mirror_fault("fetch the commit"))?;
        let target = project::target(mirrors, &claim.repository, &claim.commit, &claim.target);
        let target = self.unless_stopped(target).await??;
        let source = self.folder.source();
        self.unless_stopped(mirrors.checkout(&claim.repository, &claim.commit, &source))
            .await?
            .map_err(mirror_fault("lay the commit out"))?;
        if !source.join(claim.target.folder()).is_dir() {
            let folder = claim.target.folder();
            return Err(Fault::Build(format!(
                "the target's folder {folder:?} is not in the commit"
            )));
        }
        Ok(target)
    }

    /// BUILD: the target's command runs in the sandbox, and its outputs are collected.
    async fn build(&self, target: &TargetSpec) -> Result<pack::Files, Fault> {
        let _timer = self.begin(Phase::Build).await?;
        let command = self.command(target).await?;
        self.log.say(&format!("running {:?}", target.command)).await;
        let sandbox = &self.workshop.config.sandbox;
        let exit = sandbox
            .run(&command, self.log.sender(), &self.stop)
            .await
            .map_err(Fault::infrastructure("run the command"))?;
        match exit {
            Exit::Code(0) => {}
            Exit::Cancelled => return Err(Fault::Stopped),
            Exit::TimedOut => {
                let seconds = target.timeout_seconds;
                return Err(Fault::Build(format!(
                    "the command ran longer than its timeout of {seconds} s and was killed"
                )));
            }
            exit => return Err(Fault::Build(format!("the command {exit}"))),
        }
        let (source, outputs) = (self.folder.source(), target.outputs.clone());
        let folder = self.claim.target.folder().to_owned();
        tokio::task::spawn_blocking(move || pack::collect(&source, &folder, &outputs))
            .await
            .map_err(Fault::infrastructure("collect the outputs"))?
            .map_err(|reason| Fault::Build(reason.to_string()))
    }

    async fn command(&self, target: &TargetSpec) -> Result<Command, Fault> {
        let (claim, config) = (self.claim, &self.workshop.config);
        let mirrors = &self.workshop.parts.mirrors;
        let made_at = mirrors.commit_time(&claim.repository, &claim.commit).await;
        let made_at = made_at.map_err(mirror_fault("read the commit's time"))?;
        let ours = [
            ("STARLING_REPOSITORY", claim.repository.to_string()),
            ("STARLING_COMMIT", claim.commit.to_string()),
            ("STARLING_TARGET", claim.target.to_string()),
            ("SOURCE_DATE_EPOCH", made_at.to_string()),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), value));
        let theirs = target.environment.clone();
        let environment: BTreeMap<_, _> = config
            .environment
            .clone()
            .into_iter()
            .chain(theirs)
            .chain(ours)
            .collect();
        // `TargetSpec` is validated: there is a program.
        let (program, arguments) = target.command.split_first().unzip();
        Ok(Command {
            program: program.cloned().unwrap_or_default(),
            arguments: arguments.unwrap_or_default().to_vec(),
            environment,
            writable: self.folder.source(),
            cwd: claim.target.folder().to_owned(),
            scratch: self.folder.scratch(),
            network: target.network,
            timeout: Duration::from_secs(target.timeout_seconds.into()),
        })
    }

    /// UPLOAD: the outputs are hashed and sent in one pass.
    async fn upload(&self, files: pack::Files) -> Result<Uploaded, Fault> {
        let _timer = self.begin(Phase::Upload).await?;
        let (claim, store) = (self.claim, &self.workshop.parts.store);
        self.abort_earlier_uploads().await?;
        let total = files.iter().map(|(entry, _)| entry.length).sum();
        self.log
            .say(&format!("uploading {} files, {total} bytes", files.len()))
            .await;
        let outputs = Outputs {
            files,
            provenance: Provenance {
                repository: claim.repository.clone(),
                commit: claim.commit.clone(),
                target: claim.target.clone(),
            },
        };
        let key = ContentKey::of_attempt(claim.build, claim.lease);
        let (progress, seen) = watch::channel(0);
        let upload = Box::pin(store.upload(&key, outputs, progress, self.stop.clone()));
        let (uploaded, reported) = tokio::join!(upload, self.report(seen, total));
        let uploaded = uploaded.map_err(store_fault)?;
        reported?;
        Ok(uploaded)
    }

    /// Records progress until the upload drops the sending end. A lost lease cancels the upload by way
    /// of whoever watches it.
    async fn report(&self, mut seen: watch::Receiver<u64>, total: u64) -> Result<(), Fault> {
        while seen.changed().await.is_ok() {
            let done = *seen.borrow_and_update();
            self.lease.progress(done, total).await?;
            tokio::time::sleep(REPORT_EVERY).await;
        }
        Ok(())
    }

    /// Whatever an earlier attempt at this build began to upload is dead: this attempt holds the lease.
    async fn abort_earlier_uploads(&self) -> Result<(), Fault> {
        let store = &self.workshop.parts.store;
        let prefix = format!("{}-", self.claim.build);
        let is_earlier =
            |upload: &artifact_store::Unfinished| upload.ticket.key.as_str().starts_with(&prefix);
        let aborted = store.abort_unfinished(is_earlier).await.map_err(store_fault)?;
        if aborted > 0 {
            tracing::info!(
                uploads = aborted,
                "aborted what an earlier attempt left unfinished"
            );
        }
        Ok(())
    }

    /// PUBLISH: the signed manifest, from when on the artifact can be read. It counts once the build is
    /// recorded as SUCCEEDED, which is the caller's last step.
    async fn publish(&self, uploaded: Uploaded) -> Result<Published, Fault> {
        let _timer = self.begin(Phase::Publish).await?;
        let parts = &self.workshop.parts;
        let (artifact, total) = (uploaded.manifest.id(), uploaded.manifest.total_length());
        let signed = parts.signing_key.sign(&uploaded.manifest);
        let there = parts.store.get_manifest(&artifact).await.map_err(store_fault)?;
        // The same bytes may have been published by an earlier build; its content stays where it is.
        if there.is_none_or(|there| there.signed.key() != signed.key()) {
            let manifest = StoredManifest {
                signed,
                content_key: uploaded.content_key,
                crc64nvme: uploaded.crc64nvme,
                total,
            };
            parts.store.put_manifest(&manifest).await.map_err(store_fault)?;
        }
        self.log.say(&format!("published artifact {artifact}")).await;
        Ok(Published { artifact, total })
    }

    async fn begin(&self, phase: Phase) -> Result<PhaseTimer, Fault> {
        if self.stop.is_cancelled() {
            return Err(Fault::Stopped);
        }
        self.lease.begin_phase(phase).await?;
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

    async fn say_how_it_ended(&self, worked: &Result<Published, Fault>) {
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

/// Whose fault a mirror's error is. A server that is away may come back; a commit that is not there, or
/// an address that is refused, stays so.
fn mirror_fault(action: &'static str) -> impl FnOnce(repository_mirror::Error) -> Fault {
    use repository_mirror::Error;
    move |error| match error {
        Error::UnknownCommit { .. } | Error::Url(_) => Fault::Build(chain(&error)),
        error => Fault::infrastructure(action)(error),
    }
}

/// Whose fault a store's error is.
fn store_fault(error: artifact_store::Error) -> Fault {
    use artifact_store::Error;
    match error {
        Error::Cancelled => Fault::Stopped,
        Error::Outputs(_) | Error::FileChanged(_) => Fault::Build(chain(&error)),
        error => Fault::infrastructure("store the artifact")(error),
    }
}
