//! What happens after the bits are there: a second release that goes out by a canary and waves, and a third that is bad,
//! stops, and is taken back by itself, while clients ask every host all the time.

use super::load::Clients;
use super::{STEP_LIMIT, say};
use crate::api_client::ApiClient;
use crate::commands::wait;
use ::load::Summary;
use anyhow::Context as _;
use console::wire::{self, DeploymentDetail};
use model::code::Code;
use model::rollout::Strategy;
use model::{BuildId, DeploymentId, DeploymentState, RolloutPolicy, ServiceName, Share};
use reqwest::Method;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

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

/// Everything that was shown, and what clients of every host saw meanwhile.
#[derive(Debug)]
pub struct Shown {
    pub rollouts: Vec<Rollout>,
    pub load: Vec<Load>,
}

/// What clients of every host saw during a rollout.
#[derive(Debug)]
pub struct Load {
    pub during: &'static str,
    /// Whether they were to meet another release. One that is never healthy gets no request, and the way back takes up
    /// the process that served all the time.
    pub changes: bool,
    pub seen: Summary,
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

/// A configuration to move every host to.
struct Act {
    version: &'static str,
    what: &'static str,
    during: &'static str,
    wanted: DeploymentState,
}

const ACTS: [Act; 2] = [
    Act {
        version: GOOD,
        what: "canary and waves",
        during: "the good release's rollout",
        wanted: DeploymentState::Succeeded,
    },
    Act {
        version: BAD,
        what: "a bad release",
        during: "the bad release's rollout and its way back",
        wanted: DeploymentState::RolledBack,
    },
];

/// Shows both, while clients ask every host at `port`.
pub async fn show(
    api: &ApiClient,
    service: &ServiceName,
    build: BuildId,
    (hosts, port): (&[Ipv4Addr], u16),
) -> anyhow::Result<Shown> {
    keep(api, service, GOOD, &[("STARLING_GREETING", "hello")]).await?;
    keep(api, service, BAD, &[("BEACON_ILL", "1")]).await?;
    let (mut rollouts, mut load) = (Vec::new(), Vec::new());
    for act in ACTS {
        let version = act.version;
        say(&format!(
            "deploying configuration {version} by a canary and waves, under load"
        ));
        let request = wire::NewDeployment {
            configuration_version: Some(version.parse()?),
            configuration: policy(),
            ..wire::NewDeployment::new(service.clone(), Code::Build(build))
        };
        let clients = Clients::start(hosts, port);
        let detail = follow(api, &request).await?;
        let taken_back = detail.deployment.state == DeploymentState::RolledBack;
        rollouts.push(Rollout {
            what: act.what,
            wanted: act.wanted,
            detail,
        });
        if taken_back {
            rollouts.push(Rollout {
                what: "its rollback, by itself",
                wanted: DeploymentState::Succeeded,
                detail: follow_newest(api).await?,
            });
        }
        load.push(Load {
            during: act.during,
            changes: act.wanted == DeploymentState::Succeeded,
            seen: clients.stop().await,
        });
    }
    Ok(Shown { rollouts, load })
}

fn policy() -> RolloutPolicy {
    RolloutPolicy {
        strategy: Strategy::Canary,
        batch_size: Share::percent(34),
        failure_threshold: Share::Count(0),
        bake_seconds: 2,
        min_observations: 2,
        healthy_deadline_seconds: 10,
        ..RolloutPolicy::default()
    }
}

/// Follows the newest deployment, which is the rollback of the one before.
async fn follow_newest(api: &ApiClient) -> anyhow::Result<DeploymentDetail> {
    let list: wire::DeploymentList = api.get("/v1/deployments?limit=1").await?;
    let newest = list.deployments.first().context("there is no deployment")?;
    follow_to_its_end(api, newest.id).await
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
    follow_to_its_end(api, confirmed.id).await
}

async fn follow_to_its_end(api: &ApiClient, deployment: DeploymentId) -> anyhow::Result<DeploymentDetail> {
    let followed = wait::deployment(api, deployment, |_| ());
    let detail = tokio::time::timeout(STEP_LIMIT, followed).await;
    Ok(detail.context("the deployment took too long")??)
}
