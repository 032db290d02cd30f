//! A fleet of modelled regions on a stage, and what an engineer does with it.

use crate::fate::Bad;
use crate::region::{self, Parts};
use crate::stage::{REGIONS, Stage};
use crate::truth::Truth;
use anyhow::{Context as _, bail, ensure};
use database::builds::{Artifact, DeploymentRow, NewDeployment};
use model::rollout::Strategy;
use model::service::Overlap;
use model::{
    Actor, ArtifactId, BuildId, DeploymentState, ReleaseNumber, RolloutPolicy, Selector, ServiceName,
    ServiceSpec, Share, WhenBusy,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How often it is asked how a deployment stands.
const ASK_PERIOD: Duration = Duration::from_millis(100);
const TARGET: &str = "//bench:modelled";

/// A stage with hosts. They end with it.
#[derive(Debug)]
pub struct Fleet {
    pub stage: Stage,
    pub truth: Arc<Truth>,
    pub hosts: u32,
    service: ServiceName,
    actor: Actor,
    playing: JoinSet<anyhow::Result<()>>,
    artifacts: u8,
}

impl Fleet {
    /// So many hosts in ten regions, which run a good release already.
    pub async fn start(hosts: u32) -> anyhow::Result<Self> {
        let stage = Stage::start().await?;
        let (service, actor): (ServiceName, Actor) = ("modelled".parse()?, "bench".parse()?);
        let spec = ServiceSpec {
            // Releases overlap on a host, as of any service behind a stable port.
            overlap: Overlap::Always,
            ..ServiceSpec::new(TARGET.parse()?, vec!["program".to_owned()])
        };
        stage.builds.put_service(&service, &spec, &actor).await?;
        let truth = Arc::new(Truth::default());
        let mut playing = JoinSet::new();
        for (number, (name, desired)) in stage.regions.iter().enumerate() {
            playing.spawn(region::play(Parts {
                name: name.clone(),
                hosts: hosts / REGIONS,
                desired: desired.clone(),
                builds: stage.builds.clone(),
                truth: truth.clone(),
                seed: number as u64,
            }));
        }
        let mut fleet = Self {
            stage,
            truth,
            hosts,
            service,
            actor,
            playing,
            artifacts: 0,
        };
        let first = fleet.deploy(all_at_once()).await?;
        fleet.ends(&first, DeploymentState::Succeeded).await?;
        Ok(fleet)
    }

    /// A good release.
    pub async fn deploy(&mut self, policy: RolloutPolicy) -> anyhow::Result<DeploymentRow> {
        self.deploy_bad(policy, Bad::NOT).await
    }

    /// A release that is bad in some way.
    pub async fn deploy_bad(&mut self, policy: RolloutPolicy, bad: Bad) -> anyhow::Result<DeploymentRow> {
        let deployments = self.stage.builds.deployments(1, None).await?;
        let newest = deployments.first().map_or(0, |newest| newest.release.0);
        self.truth.decide(ReleaseNumber(newest + 1), bad);
        self.artifacts = self.artifacts.checked_add(1).context("too many releases")?;
        let artifact = Artifact {
            id: ArtifactId([self.artifacts; 32]),
            build: BuildId(Uuid::from_u128(self.artifacts.into())),
            repository: "bench".parse()?,
            commit: format!("{:040x}", self.artifacts).parse()?,
            target: TARGET.parse()?,
            total_bytes: 1_000,
        };
        self.stage.builds.record_artifact(&artifact).await?;
        for (region, _) in &self.stage.regions {
            self.stage.builds.replica_verified(&artifact.id, region).await?;
        }
        let new = NewDeployment {
            service: self.service.clone(),
            build: artifact.build,
            artifact: artifact.id,
            configuration: None,
            selector: Selector::default(),
            policy,
            actor: self.actor.clone(),
            when_busy: WhenBusy::Refuse,
            automatic: false,
            version: None,
            break_glass: None,
        };
        let row = self.stage.builds.deploy(&new).await?;
        ensure!(row.release.0 == newest + 1, "somebody else deploys too");
        Ok(row)
    }

    /// Goes back to the release that succeeded before.
    pub async fn roll_back(&self) -> anyhow::Result<DeploymentRow> {
        let wish = database::builds::RollBack {
            service: self.service.clone(),
            to: None,
            actor: self.actor.clone(),
            reason: "measured".to_owned(),
            only_from: None,
        };
        Ok(self.stage.builds.roll_back(&wish).await?)
    }

    /// Waits until a deployment has ended in a state.
    pub async fn ends(&mut self, deployment: &DeploymentRow, state: DeploymentState) -> anyhow::Result<()> {
        let ended = self.ended(deployment).await?;
        let reason = ended.reason.unwrap_or_default();
        ensure!(
            ended.state == state,
            "release {} ended {}: {reason}",
            ended.release,
            ended.state
        );
        Ok(())
    }

    /// Waits until a deployment has ended.
    pub async fn ended(&mut self, deployment: &DeploymentRow) -> anyhow::Result<DeploymentRow> {
        loop {
            self.still_plays()?;
            let row = self.stage.builds.deployment(deployment.id).await?;
            let row = row.context("a deployment is gone")?;
            if row.state.is_terminal() {
                return Ok(row);
            }
            tokio::time::sleep(ASK_PERIOD).await;
        }
    }

    /// Fails with the error of a region that ended.
    pub fn still_plays(&mut self) -> anyhow::Result<()> {
        match self.playing.try_join_next() {
            Some(ended) => ended?.and_then(|()| bail!("a region ended")),
            None => Ok(()),
        }
    }
}

/// The policy of a release that everybody is to have at the same time.
pub fn all_at_once() -> RolloutPolicy {
    RolloutPolicy {
        strategy: Strategy::AllAtOnce,
        batch_size: Share::ALL,
        ..RolloutPolicy::default()
    }
}
