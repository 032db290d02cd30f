//! Showing what has succeeded lately to the planner, and acting on what it finds.

use crate::metrics;
use crate::picture::is_heard;
use database::Builds;
use database::builds::{DeploymentRow, RollBack, WatchRow};
use model::Actor;
use rollout::{Finding, Watched, WatchedRegion, watch};
use tracing::{info, warn};

#[derive(Debug)]
pub(crate) struct Watcher {
    builds: Builds,
}

impl Watcher {
    pub(crate) fn new(builds: Builds) -> Self {
        Self { builds }
    }

    /// Looks at every release that is watched. Trouble with one holds up no other.
    pub(crate) async fn look(&self) -> Result<(), database::Error> {
        for deployment in self.builds.watched_deployments().await? {
            if let Err(error) = self.look_at(&deployment).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    deployment.id = %deployment.id,
                    "failed to watch a release; trying again"
                );
            }
        }
        Ok(())
    }

    async fn look_at(&self, deployment: &DeploymentRow) -> Result<(), database::Error> {
        let rows = self.builds.watch(deployment).await?;
        let regions: Vec<WatchedRegion> = rows.into_iter().map(region_of).collect();
        // Asked only where it matters.
        let ill = regions.iter().any(|region| region.unwell > 0);
        let watched = Watched {
            policy: &deployment.policy,
            succeeded_ago: deployment.in_state,
            can_roll_back: ill && self.builds.can_roll_back(deployment).await?,
        };
        match watch(&watched, &regions) {
            Finding::Over | Finding::Well => {}
            Finding::Alarm(reason) => {
                if self.builds.raise_alarm(deployment, &reason).await? {
                    ::metrics::counter!(metrics::ALARMS_TOTAL).increment(1);
                    warn!(
                        deployment.id = %deployment.id,
                        service.name = %deployment.service,
                        rollout.reason = reason,
                        "a release became unhealthy after it had succeeded"
                    );
                }
            }
            Finding::RollBack(reason) => self.roll_back(deployment, reason).await?,
        }
        Ok(())
    }

    /// Fenced: once anybody has begun another release for some of the same hosts, it is too late.
    async fn roll_back(&self, deployment: &DeploymentRow, reason: String) -> Result<(), database::Error> {
        let wish = RollBack {
            service: deployment.service.clone(),
            to: None,
            actor: Actor::rollout(),
            reason,
            only_from: Some(deployment.id),
        };
        match self.builds.roll_back(&wish).await {
            Ok(rollback) => {
                ::metrics::counter!(metrics::ALARMS_TOTAL).increment(1);
                info!(
                    deployment.id = %deployment.id,
                    service.name = %deployment.service,
                    rollback.id = %rollback.id,
                    rollout.reason = wish.reason,
                    "a release that became unhealthy after it had succeeded is taken back"
                );
                Ok(())
            }
            // Another one of the service is in flight; if it is for other instances, this one's turn comes.
            Err(database::Error::Overtaken(_)) => {
                self.builds.raise_alarm(deployment, &wish.reason).await?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn region_of(row: WatchRow) -> WatchedRegion {
    WatchedRegion {
        heard: is_heard(row.word.as_ref()),
        name: row.region,
        hosts: row.hosts,
        unwell: row.unwell,
        unknown: row.unknown,
        error: row.error,
    }
}
