//! Showing deployments to the planner, and applying what it proposes.

use crate::metrics;
use database::Builds;
use database::builds::{DeploymentRow, RegionProgress};
use model::instance::TaskState;
use model::{DeploymentState, ServiceName};
use rollout::{Deployment, Region, Step, plan};
use std::time::Duration;
use tracing::{debug, info, warn};

/// A region whose leader has not spoken for this long is silent: what it said before may not hold any more.
const SILENT_AFTER: Duration = Duration::from_secs(60);
/// How many instances are looked through for a reason to show.
const INSTANCES_MAX: u32 = 1_000;

#[derive(Debug)]
pub(crate) struct Driver {
    builds: Builds,
    staging_limit: Duration,
}

impl Driver {
    pub(crate) fn new(builds: Builds, staging_limit: Duration) -> Self {
        Self {
            builds,
            staging_limit,
        }
    }

    /// Takes every deployment in flight one step further, where the planner says so. Trouble with one holds
    /// up no other.
    pub(crate) async fn drive_all(&self) -> Result<(), database::Error> {
        for deployment in self.builds.deployments_in_flight().await? {
            if let Err(error) = self.drive(&deployment).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    deployment.id = %deployment.id,
                    "failed to drive a deployment; trying again"
                );
            }
        }
        Ok(())
    }

    async fn drive(&self, deployment: &DeploymentRow) -> Result<(), database::Error> {
        let progress = self.builds.region_status(deployment.id).await?;
        let mut regions: Vec<Region> = progress.iter().map(region_of).collect();
        let seen = Deployment {
            state: deployment.state,
            overdue: deployment.overdue,
            staging_overdue: deployment.in_state >= self.staging_limit,
        };
        let mut step = plan(&seen, &regions);
        if matches!(
            &step,
            Step::Become {
                state: DeploymentState::Failed,
                ..
            }
        ) {
            // Only who reads of a failure wants to know what the hosts said, so only now it is looked up.
            self.add_errors(&deployment.service, &mut regions).await?;
            step = plan(&seen, &regions);
        }
        self.apply(deployment, &regions, step).await
    }

    /// Writes the step down. Fenced: a deployment that somebody moved meanwhile is left as it is, and
    /// planned anew in the next pass.
    async fn apply(
        &self,
        deployment: &DeploymentRow,
        regions: &[Region],
        step: Step,
    ) -> Result<(), database::Error> {
        let (state, directive, reason) = match step {
            Step::Wait { reason } => {
                debug!(deployment.id = %deployment.id, rollout.reason = reason, "deployment waits");
                return Ok(());
            }
            Step::Become {
                state,
                directive,
                reason,
            } => (state, directive, reason),
        };
        let applied = if directive.is_some() {
            let names: Vec<_> = regions.iter().map(|region| region.name.clone()).collect();
            self.builds.activate(deployment.id, &names).await?.is_some()
        } else {
            self.builds
                .set_deployment_state(deployment.id, deployment.state, state, Some(&reason))
                .await?
        };
        if applied {
            ::metrics::counter!(metrics::DEPLOYMENTS_TOTAL, "state" => state.as_str()).increment(1);
            info!(
                deployment.id = %deployment.id,
                service.name = %deployment.service,
                deployment.state = %state,
                rollout.reason = reason,
                "deployment moved on"
            );
        }
        Ok(())
    }

    async fn add_errors(&self, service: &ServiceName, regions: &mut [Region]) -> Result<(), database::Error> {
        if regions.iter().all(|region| region.errors == 0) {
            return Ok(());
        }
        let instances = self.builds.instances(service, None, INSTANCES_MAX).await?;
        for row in instances {
            let failed = matches!(row.instance.state, TaskState::Error | TaskState::Lost);
            let region = regions.iter_mut().find(|region| region.name == row.region);
            if let (true, Some(region), Some(reason)) = (failed, region, row.instance.reason) {
                region
                    .error
                    .get_or_insert_with(|| format!("{}: {reason}", row.host));
            }
        }
        Ok(())
    }
}

/// What the planner needs to know of a region.
fn region_of(progress: &RegionProgress) -> Region {
    let word = progress.word.as_ref().filter(|word| word.age < SILENT_AFTER);
    Region {
        name: progress.region.clone(),
        told: progress.told,
        heard: word.is_some(),
        hosts: word.map_or(0, |word| u64::from(word.hosts_alive)),
        staged: progress.counts.staged,
        healthy: progress.counts.healthy,
        errors: progress.counts.errors,
        error: None,
    }
}
