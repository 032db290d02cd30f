//! Showing deployments to the planner, and applying what it proposes.

use crate::metrics;
use crate::picture::{self, Picture};
use crate::queue;
use database::Builds;
use database::builds::{DeploymentRow, RollBack};
use failpoint::Point;
use model::{Actor, DeploymentState};
use rollout::{Step, Verdict, plan};
use tracing::{debug, info, warn};

/// The most steps that one deployment takes in one pass, so that a chain of waves with nobody in them does not take a
/// pass each, and none holds up the others.
const STEPS_MAX: usize = 8;

#[derive(Debug)]
pub(crate) struct Driver {
    builds: Builds,
}

impl Driver {
    pub(crate) fn new(builds: Builds) -> Self {
        Self { builds }
    }

    /// Takes every deployment in flight further, where the planner says so. Trouble with one holds up no other.
    pub(crate) async fn drive_all(&self) -> Result<(), database::Error> {
        let in_flight = self.builds.deployments_in_flight().await?;
        queue::begin_due(&self.builds, &in_flight).await?;
        for deployment in in_flight {
            let id = deployment.id;
            if let Err(error) = self.drive(deployment).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    deployment.id = %id,
                    "failed to drive a deployment; trying again"
                );
            }
        }
        Ok(())
    }

    async fn drive(&self, mut deployment: DeploymentRow) -> Result<(), database::Error> {
        for _ in 0..STEPS_MAX {
            let picture = picture::of(&self.builds, &deployment).await?;
            let step = plan(&picture.seen(&deployment), &picture.regions);
            if step.is_wait() {
                debug!(deployment.id = %deployment.id, rollout.reason = step.reason, "deployment waits");
                if deployment.waits_for.as_ref() != Some(&step.reason) {
                    self.builds.keep_waits_for(deployment.id, &step.reason).await?;
                }
                return Ok(());
            }
            if expands(&step.verdict)
                && let Err(error) = self.builds.may_advance(&deployment).await
            {
                let database::Error::Denied(denial) = error else {
                    return Err(error);
                };
                let reason = denial.to_string();
                if deployment.waits_for.as_ref() != Some(&reason) {
                    self.builds.keep_waits_for(deployment.id, &reason).await?;
                }
                return Ok(());
            }
            let moves_on = matches!(step.verdict, Verdict::Become { .. });
            if !self.apply(&deployment, &picture, step).await? || !moves_on {
                return Ok(());
            }
            match self.builds.deployment(deployment.id).await? {
                Some(now) if now.state.is_in_flight() => deployment = now,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes the step down; whether it was. Fenced: a service that somebody changed meanwhile is left as it is, and
    /// planned anew in the next pass.
    async fn apply(
        &self,
        deployment: &DeploymentRow,
        picture: &Picture,
        step: Step,
    ) -> Result<bool, database::Error> {
        let Step { verdict, reason } = step;
        let tells_more = matches!(verdict, Verdict::Move { .. } | Verdict::Warm { .. });
        let spends_step = deployment.policy.manual;
        let (applied, state) = match verdict {
            Verdict::Wait => return Ok(false),
            Verdict::Move { cursors } => {
                let moved = self
                    .builds
                    .move_cursors(deployment, &cursors, spends_step)
                    .await?;
                failpoint::reach(Point::RolloutMoved);
                (moved, DeploymentState::Wave)
            }
            Verdict::Warm { regions } => {
                let warmed = self
                    .builds
                    .warm_regions(deployment, &regions, spends_step)
                    .await?;
                failpoint::reach(Point::RolloutMoved);
                (warmed, DeploymentState::Wave)
            }
            Verdict::Become { state, wave } => {
                let place = (wave, picture.waves.as_slice());
                let moved = self
                    .builds
                    .advance_deployment(deployment, state, place, &reason)
                    .await?;
                failpoint::reach(Point::RolloutEntered);
                (moved, state)
            }
            Verdict::RollBack => (
                self.roll_back(deployment, &reason).await?,
                DeploymentState::RollingBack,
            ),
        };
        if applied {
            if tells_more {
                ::metrics::counter!(metrics::CURSORS_MOVED_TOTAL).increment(1);
            } else {
                ::metrics::counter!(metrics::DEPLOYMENTS_TOTAL, "state" => state.as_str()).increment(1);
            }
            info!(
                deployment.id = %deployment.id,
                service.name = %deployment.service,
                deployment.state = %state,
                rollout.reason = reason,
                "deployment moved on"
            );
        }
        Ok(applied)
    }

    async fn roll_back(&self, deployment: &DeploymentRow, reason: &str) -> Result<bool, database::Error> {
        let wish = RollBack {
            service: deployment.service.clone(),
            to: None,
            actor: Actor::rollout(),
            reason: reason.to_owned(),
            only_from: Some(deployment.id),
        };
        match self.builds.roll_back(&wish).await {
            Ok(_) => {
                failpoint::reach(Point::RolloutRolledBack);
                Ok(true)
            }
            Err(database::Error::Overtaken(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether more hosts would get the release, which a policy may forbid.
const fn expands(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Move { .. }
            | Verdict::Warm { .. }
            | Verdict::Become {
                state: DeploymentState::Wave,
                ..
            }
    )
}
