//! Which build somebody means by a version or a commit.

use crate::app::App;
use crate::refusal::{Refusal, RolloutRefused};
use database::jobs::BuildRow;
use model::code::Code;
use model::{BuildVersion, Commit, Target};
use std::collections::BTreeSet;

/// The build that is meant. By a version or commit it is the newest of the target that has SUCCEEDED; refused where that
/// may be one of several commits.
pub(crate) async fn build_of(app: &App, target: &Target, code: &Code) -> Result<BuildRow, Refusal> {
    match code {
        Code::Build(build) => app.jobs.build(*build).await?.ok_or(Refusal::UnknownBuild(*build)),
        Code::Version(version) => newest(app, target, version).await,
    }
}

async fn newest(app: &App, target: &Target, version: &BuildVersion) -> Result<BuildRow, Refusal> {
    let builds = app.jobs.builds_called(target, version).await?;
    let commits: BTreeSet<Commit> = builds.iter().map(|row| row.commit.clone()).collect();
    if commits.len() > 1 {
        return Err(RolloutRefused::AmbiguousVersion {
            version: version.clone(),
            commits: commits.into_iter().collect(),
        }
        .into());
    }
    builds.into_iter().next().ok_or_else(|| {
        RolloutRefused::UnknownVersion {
            version: version.clone(),
            target: target.clone(),
        }
        .into()
    })
}
