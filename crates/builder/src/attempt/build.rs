//! The target's command runs, and leaves its outputs.

use super::Attempt;
use super::command::Prepared;
use crate::fault::Fault;
use crate::pack;
use model::Phase;
use model::project::TargetSpec;
use tasks::sandbox::Exit;

impl Attempt<'_> {
    /// BUILD: the target's command runs in the sandbox.
    pub(super) async fn build(&self, target: &TargetSpec) -> Result<(), Fault> {
        let _timer = self.begin(Phase::Build).await?;
        let Prepared { command, masker } = self.prepare(target).await?;
        self.log.say(&format!("running {:?}", target.command)).await;
        if target.limits.exceeds(&command.limits) {
            let granted = command.limits;
            self.log
                .say(&format!(
                    "its target asks for more than this worker's most; it gets {granted}"
                ))
                .await;
        }
        let sandbox = &self.workshop.config.sandbox;
        let (output, carry) = self.log.hiding(masker);
        let run = sandbox.run(&command, output, &self.stop);
        let (exit, ()) = tokio::join!(Box::pin(run), carry);
        let exit = exit.map_err(Fault::infrastructure("run the command"))?;
        if matches!(exit, Exit::Code(_)) {
            self.give_caches_back(target).await;
        }
        match exit {
            Exit::Code(0) => Ok(()),
            Exit::Cancelled => Err(Fault::Stopped),
            Exit::TimedOut => {
                let seconds = target.timeout_seconds;
                Err(Fault::Build(format!(
                    "the command ran longer than its timeout of {seconds} s and was killed"
                )))
            }
            exit => Err(Fault::Build(format!("the command {exit}"))),
        }
    }

    /// What the target's outputs are, after a build that went well.
    pub(super) async fn collect(&self, target: &TargetSpec) -> Result<pack::Files, Fault> {
        let (source, outputs) = (self.folder.source(), target.outputs.clone());
        let folder = self.claim.target.folder().to_owned();
        tokio::task::spawn_blocking(move || pack::collect(&source, &folder, &outputs))
            .await
            .map_err(Fault::infrastructure("collect the outputs"))?
            .map_err(|reason| Fault::Build(reason.to_string()))
    }
}
