//! What is run for a target, with which variables, secrets and limits.

use super::Attempt;
use super::checkout::mirror_fault;
use crate::fault::Fault;
use crate::log::Masker;
use crate::secrets;
use model::project::TargetSpec;
use model::version::VERSION_VARIABLE;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::time::Duration;
use tasks::sandbox::Command;

/// A command that is ready to run.
pub(super) struct Prepared {
    pub(super) command: Command,
    /// Hides its secrets in its output.
    pub(super) masker: Masker,
}

impl Attempt<'_> {
    pub(super) async fn prepare(&self, target: &TargetSpec) -> Result<Prepared, Fault> {
        let (claim, config) = (self.claim, &self.workshop.config);
        let secrets = secrets::read(&config.secrets, &target.secrets, &claim.repository).await?;
        let masker = Masker::new(secrets.values());
        let secrets = secrets
            .iter()
            .map(|(name, value)| (name.to_string(), value.expose_secret().to_owned()));
        // Later ones win.
        let environment: BTreeMap<_, _> = config
            .environment
            .clone()
            .into_iter()
            .chain(target.environment.clone())
            .chain(secrets)
            .chain(self.own_variables().await?)
            .collect();
        self.take_caches(target).await?;
        // `TargetSpec` is validated: there is a program.
        let (program, arguments) = target.command.split_first().unzip();
        let command = Command {
            program: program.cloned().unwrap_or_default(),
            arguments: arguments.unwrap_or_default().to_vec(),
            environment,
            writable: self.folder.source(),
            caches: (!target.caches.is_empty()).then(|| self.folder.caches()),
            cwd: claim.target.folder().to_owned(),
            scratch: self.folder.scratch(),
            network: target.network,
            timeout: Duration::from_secs(target.timeout_seconds.into()),
            limits: config.limits.grant(&target.limits, &config.limits_max),
        };
        Ok(Prepared { command, masker })
    }

    async fn take_caches(&self, target: &TargetSpec) -> Result<(), Fault> {
        if target.caches.is_empty() {
            return Ok(());
        }
        let (workshop, into) = (self.workshop.clone(), self.folder.caches());
        let (repository, label) = (self.claim.repository.clone(), self.claim.target.clone());
        let names = target.caches.clone();
        let take = move || workshop.folder.caches.take(&repository, &label, &names, &into);
        let taken = tokio::task::spawn_blocking(take).await;
        taken
            .map_err(std::io::Error::from)
            .flatten()
            .map_err(Fault::infrastructure("take the target's caches"))
    }

    /// Keeps the caches of a command that has ended by itself. One that was killed may have left half of
    /// something in them, and a failure costs the next build its time only: they go with the attempt's folder.
    pub(super) async fn give_caches_back(&self, target: &TargetSpec) {
        if target.caches.is_empty() {
            return;
        }
        let (workshop, from) = (self.workshop.clone(), self.folder.caches());
        let (repository, label) = (self.claim.repository.clone(), self.claim.target.clone());
        let give = move || workshop.folder.caches.give_back(&repository, &label, &from);
        let given = tokio::task::spawn_blocking(give).await;
        if let Err(error) = given.map_err(std::io::Error::from).flatten() {
            tracing::warn!(%error, "a target's caches could not be kept");
        }
    }

    /// What every build is told of itself.
    async fn own_variables(&self) -> Result<Vec<(String, String)>, Fault> {
        let (claim, mirrors) = (self.claim, &self.workshop.parts.mirrors);
        let made_at = mirrors.commit_time(&claim.repository, &claim.commit).await;
        let made_at = made_at.map_err(mirror_fault("read the commit's time"))?;
        let mut ours = vec![
            ("STARLING_REPOSITORY", claim.repository.to_string()),
            ("STARLING_COMMIT", claim.commit.to_string()),
            ("STARLING_TARGET", claim.target.to_string()),
            ("SOURCE_DATE_EPOCH", made_at.to_string()),
        ];
        ours.extend(
            claim
                .version
                .iter()
                .map(|version| (VERSION_VARIABLE, version.to_string())),
        );
        let named = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok(named.collect())
    }
}
