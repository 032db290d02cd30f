//! What happens after the bits are there: a second release that goes out by a canary and waves, and a third that is bad,
//! stops, and is taken back by itself.

use super::{STEP_LIMIT, say};
use crate::api_client::ApiClient;
use crate::commands::wait;
use anyhow::Context as _;
use console::wire::{self, DeploymentDetail};
use model::rollout::Strategy;
use model::{BuildId, DeploymentState, RolloutPolicy, ServiceName, Share};
use reqwest::Method;
use std::collections::BTreeMap;

/// The configuration that every host runs in the end.
pub const GOOD: &str = "canary-1";
/// One with which the beacon says that it is ill.
const BAD: &str = "ill-1";

/// One rollout that was shown.
#[derive(Debug)]
pub struct Rollout {
    /// What it was meant to show.
    pub what: &'static str,
    /// How it must end.
    wanted: DeploymentState,
    /// How it went.
    pub detail: DeploymentDetail,
}

impl Rollout {
    /// Whether it showed what it was meant to.
    pub fn ended_as_it_must(&self) -> bool {
        self.detail.deployment.state == self.wanted
    }

    /// Every state that it was in, waves by their names.
    pub fn way(&self) -> String {
        let deployment = &self.detail.deployment;
        let steps = self.detail.steps.iter().map(|step| {
            let wave = deployment.waves.get(step.wave);
            match (step.state, wave) {
                (DeploymentState::Wave | DeploymentState::Bake, Some(wave)) => {
                    format!("{} {}", step.state, wave.name)
                }
                (state, _) => state.to_string(),
            }
        });
        steps.collect::<Vec<_>>().join(" → ")
    }
}

/// Shows both.
pub async fn show(api: &ApiClient, service: &ServiceName, build: BuildId) -> anyhow::Result<Vec<Rollout>> {
    let policy = RolloutPolicy {
        strategy: Strategy::Canary,
        batch_size: Share::percent(34),
        failure_threshold: Share::Count(0),
        bake_seconds: 2,
        min_observations: 2,
        healthy_deadline_seconds: 10,
        ..RolloutPolicy::default()
    };
    keep(api, service, GOOD, &[("STARLING_GREETING", "hello")]).await?;
    keep(api, service, BAD, &[("BEACON_ILL", "1")]).await?;
    let mut shown = Vec::new();
    for (version, what, wanted) in [
        (GOOD, "canary and waves", DeploymentState::Succeeded),
        (BAD, "a bad release", DeploymentState::RolledBack),
    ] {
        say(&format!(
            "deploying configuration {version} by a canary and waves"
        ));
        let request = wire::NewDeployment {
            configuration_version: Some(version.parse()?),
            configuration: policy.clone(),
            ..wire::NewDeployment::new(service.clone(), build)
        };
        let detail = follow(api, &request).await?;
        shown.push(Rollout { what, wanted, detail });
    }
    let list: wire::DeploymentList = api.get("/v1/deployments?limit=1").await?;
    let newest = list.deployments.first().context("there is no deployment")?;
    let detail: DeploymentDetail = api.get(&format!("/v1/deployments/{}", newest.id)).await?;
    shown.push(Rollout {
        what: "its rollback, by itself",
        wanted: DeploymentState::Succeeded,
        detail,
    });
    Ok(shown)
}

async fn keep(
    api: &ApiClient,
    service: &ServiceName,
    version: &str,
    variables: &[(&str, &str)],
) -> anyhow::Result<()> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let path = format!("/v1/services/{service}/configurations/{version}");
    Ok(api.send_empty(Method::PUT, &path, &variables).await?)
}

async fn follow(api: &ApiClient, request: &wire::NewDeployment) -> anyhow::Result<DeploymentDetail> {
    let confirmed: wire::Deployment = api.send_json(Method::POST, "/v1/deploy", request).await?;
    let followed = wait::deployment(api, confirmed.id, |_| ());
    let detail = tokio::time::timeout(STEP_LIMIT, followed).await;
    Ok(detail.context("the deployment took too long")??)
}
