//! The first half of an attempt: the commit becomes files, the files become outputs.

use super::Attempt;
use crate::fault::{Fault, chain};
use crate::{pack, project};
use model::Phase;
use model::project::TargetSpec;
use std::collections::BTreeMap;
use std::time::Duration;
use tasks::sandbox::{Command, Exit};

impl Attempt<'_> {
    /// CHECKOUT: the mirror gets the commit, the commit tells about the target, its files are laid out.
    pub(super) async fn checkout(&self) -> Result<TargetSpec, Fault> {
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
    pub(super) async fn build(&self, target: &TargetSpec) -> Result<pack::Files, Fault> {
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
