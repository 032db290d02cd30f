//! The first step of an attempt: the commit becomes files, unless they were built before.

use super::reuse::Inputs;
use super::{Attempt, Done};
use crate::fault::{Fault, chain};
use crate::project;
use model::Phase;
use model::project::TargetSpec;
use repository_mirror::{LargeFiles, Selection};

/// What CHECKOUT came to.
pub(super) enum Found {
    /// The files are laid out, and this is to be done with them.
    Target(TargetSpec),
    /// The same files were built before, and this is the result.
    Earlier(Done),
}

impl Attempt<'_> {
    /// CHECKOUT: the mirror gets the commit, the commit tells about the target, its files are laid out.
    pub(super) async fn checkout(&self) -> Result<Found, Fault> {
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
        let inputs = self.inputs(&target).await?;
        if let Some(inputs) = &inputs {
            if let Some((earlier, made)) = self.earlier(&inputs.key).await? {
                self.lease.note_inputs(&inputs.key, Some(earlier)).await?;
                return Ok(Found::Earlier(made));
            }
            self.lease.note_inputs(&inputs.key, None).await?;
        }
        self.lay_out(&target, inputs.as_ref()).await?;
        Ok(Found::Target(target))
    }

    /// Lays out what the target names, or everything: a file that it uses and does not name is not there, so
    /// that it is missed at once and not when it has changed.
    async fn lay_out(&self, target: &TargetSpec, inputs: Option<&Inputs>) -> Result<(), Fault> {
        let (claim, mirrors) = (self.claim, &self.workshop.parts.mirrors);
        let source = self.folder.source();
        let paths: Option<Vec<&str>> = inputs.map(|inputs| inputs.paths.iter().map(String::as_str).collect());
        let what = paths.as_deref().map_or(Selection::Everything, Selection::Paths);
        self.unless_stopped(mirrors.checkout(&claim.repository, &claim.commit, &source, what))
            .await?
            .map_err(mirror_fault("lay the commit out"))?;
        if target.submodules {
            let laid_out = mirrors.checkout_submodules(&claim.repository, &claim.url, &claim.commit, &source);
            let laid_out = self.unless_stopped(laid_out).await?;
            let count = laid_out.map_err(mirror_fault("lay the submodules out"))?;
            self.log.say(&format!("laid out {count} submodules")).await;
        }
        if target.lfs {
            let laid_out =
                mirrors.checkout_large_files(&claim.repository, &claim.url, &claim.commit, &source);
            let laid_out = self.unless_stopped(laid_out).await?;
            let LargeFiles { count, bytes } = laid_out.map_err(mirror_fault("fetch the large files"))?;
            self.log
                .say(&format!("fetched {count} large files, {bytes} bytes"))
                .await;
        }
        if !source.join(claim.target.folder()).is_dir() {
            let folder = claim.target.folder();
            return Err(Fault::Build(format!(
                "the target's folder {folder:?} is not in the commit"
            )));
        }
        Ok(())
    }
}

/// Whose fault a mirror's error is. A server that is away may come back; a commit that is not there, or
/// an address that is refused, stays so.
pub(super) fn mirror_fault(action: &'static str) -> impl FnOnce(repository_mirror::Error) -> Fault {
    use repository_mirror::Error;
    move |error| match error {
        Error::UnknownCommit { .. }
        | Error::Url(_)
        | Error::PathNotText
        | Error::Submodule { .. }
        | Error::LargeFiles { .. } => Fault::Build(chain(&error)),
        error => Fault::infrastructure(action)(error),
    }
}
