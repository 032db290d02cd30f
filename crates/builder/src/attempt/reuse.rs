//! Taking an earlier build's result over, where a target names its inputs and none of them has changed.

use super::checkout::mirror_fault;
use super::{Attempt, Done};
use crate::fault::Fault;
use crate::inputs;
use database::jobs::Made;
use model::project::TargetSpec;
use model::{BuildId, InputKey};

/// A target's inputs at a commit.
pub(super) struct Inputs {
    pub(super) key: InputKey,
    /// From the top of the repository.
    pub(super) paths: Vec<String>,
}

impl Attempt<'_> {
    /// What the target is made of; `None` where it does not say, and everything counts.
    pub(super) async fn inputs(&self, target: &TargetSpec) -> Result<Option<Inputs>, Fault> {
        if target.inputs.is_empty() {
            return Ok(None);
        }
        let (claim, mirrors) = (self.claim, &self.workshop.parts.mirrors);
        let roots = inputs::roots(&claim.target, target);
        let listed = mirrors.files(&claim.repository, &claim.commit, &roots);
        let listed = self.unless_stopped(listed).await?;
        let files = listed.map_err(mirror_fault("list the commit's files"))?;
        let files = inputs::select(&claim.target, target, files).map_err(Fault::Build)?;
        let environment = &self.workshop.config.environment;
        let key = inputs::key(&claim.repository, &claim.target, target, environment, &files)
            .map_err(Fault::infrastructure("name the inputs"))?;
        let paths = files.into_iter().map(|file| file.path).collect();
        Ok(Some(Inputs { key, paths }))
    }

    /// The newest build with the same inputs, and its result, if its artifact is still in the store under the key
    /// that signs today. Nothing for a build that was forced.
    pub(super) async fn earlier(&self, inputs: &InputKey) -> Result<Option<(BuildId, Done)>, Fault> {
        let parts = &self.workshop.parts;
        let asked = parts.jobs.build(self.claim.build).await;
        let asked = asked.map_err(Fault::infrastructure("read the build"))?;
        if asked.is_some_and(|build| build.forced) {
            return Ok(None);
        }
        let earlier = parts.jobs.built_from(inputs).await;
        let earlier = earlier.map_err(Fault::infrastructure("look for an earlier build"))?;
        let Some(earlier) = earlier else { return Ok(None) };
        let result = match &earlier.made {
            None => "its test has passed".to_owned(),
            Some(Made { artifact, .. }) => {
                let standing = self.publishing();
                let standing = self.unless_stopped(standing.standing(artifact)).await??;
                if standing.is_none() {
                    return Ok(None);
                }
                format!("its artifact is {artifact}")
            }
        };
        self.log
            .say(&format!(
                "none of the inputs has changed since build {} of {}: {result}, and nothing is run",
                earlier.build,
                earlier.commit.short()
            ))
            .await;
        Ok(Some((earlier.build, earlier.made)))
    }
}
