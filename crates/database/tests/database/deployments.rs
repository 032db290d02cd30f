//! Deployments as tests move them.

use crate::support::{TestBuilds, actor, new_deployment, service};
use database::Error;
use database::builds::{DeploymentRow, RollBack};
use model::rollout::Wave;
use model::{Configuration, DeploymentState};

pub async fn now(builds: &TestBuilds, row: &DeploymentRow) -> DeploymentRow {
    builds.deployment(row.id).await.unwrap().unwrap()
}

pub async fn enter(builds: &TestBuilds, row: &DeploymentRow, state: DeploymentState) {
    let seen = now(builds, row).await;
    let waves = [Wave::everybody("all")];
    let entered = builds
        .advance_deployment(&seen, state, (0, &waves), "because")
        .await;
    assert!(entered.unwrap());
}

/// A release that everybody runs.
pub async fn succeeded(builds: &TestBuilds, number: u8) -> DeploymentRow {
    let artifact = builds.verified(number).await;
    let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
    enter(builds, &row, DeploymentState::Succeeded).await;
    now(builds, &row).await
}

/// Keeps a configuration under its own version.
pub async fn keep(builds: &TestBuilds, configuration: &Configuration) -> Result<bool, Error> {
    let version = configuration.version.clone().unwrap();
    builds
        .put_configuration(&service(), &version, configuration, &actor())
        .await
}

pub fn back() -> RollBack {
    RollBack {
        service: service(),
        to: None,
        actor: actor(),
        reason: "it is slow".to_owned(),
        only_from: None,
    }
}
