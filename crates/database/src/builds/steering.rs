//! What an engineer says to a deployment under way: pause, resume, one more step, no further. Each word is kept in the
//! audit trail by the transaction that it changes something in.

use super::{
    Builds,
    cursors::{any_epoch, end},
    deployments::{Locked, enter_state, lock},
    governed,
};
use crate::{Error, Hint, hints, row};
use model::{Actor, DeploymentId, DeploymentState};
use sqlx::PgConnection;

/// The most steps that may be allowed ahead.
const STEPS_ALLOWED_MAX: i32 = 100;

/// What became of an engineer's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steered {
    /// It holds now.
    Now,
    /// It could not: the deployment is in this state.
    Not(DeploymentState),
}

impl Builds {
    /// Holds a deployment that is in flight: nothing more is moved, and failures are still counted.
    ///
    /// Fails with [`Error::UnknownDeployment`] and [`Error::Denied`].
    pub async fn pause_deployment(&self, id: DeploymentId, actor: &Actor) -> Result<Steered, Error> {
        let reason = format!("paused by {actor}");
        self.steer((id, actor, "pause"), async |connection, deployment| {
            if !deployment.is_in_flight() || deployment.state == DeploymentState::Paused {
                return Ok(Steered::Not(deployment.state));
            }
            sqlx::query("UPDATE deployments SET paused_in = state WHERE id = $1")
                .bind(id.0)
                .execute(&mut *connection)
                .await?;
            enter_state(connection, id, DeploymentState::Paused, Some(&reason)).await?;
            Ok(Steered::Now)
        })
        .await
    }

    /// Lets a PAUSED deployment go on where it was. A bake begins anew, since nobody watched.
    ///
    /// Fails with [`Error::UnknownDeployment`] and [`Error::Denied`].
    pub async fn resume_deployment(&self, id: DeploymentId, actor: &Actor) -> Result<Steered, Error> {
        let reason = format!("resumed by {actor}");
        self.steer((id, actor, "resume"), async |connection, deployment| {
            if deployment.state != DeploymentState::Paused {
                return Ok(Steered::Not(deployment.state));
            }
            let before = sqlx::query("SELECT paused_in FROM deployments WHERE id = $1")
                .bind(id.0)
                .fetch_one(&mut *connection)
                .await?;
            let before = row::word_option(&before, "paused_in")?.unwrap_or(DeploymentState::Pending);
            enter_state(connection, id, before, Some(&reason)).await?;
            Ok(Steered::Now)
        })
        .await
    }

    /// Allows one more step of a deployment whose policy asks for an engineer's word before each.
    ///
    /// Fails with [`Error::UnknownDeployment`] and [`Error::Denied`].
    pub async fn allow_step(&self, id: DeploymentId, actor: &Actor) -> Result<Steered, Error> {
        self.steer((id, actor, "step"), async |connection, deployment| {
            if !deployment.is_in_flight() {
                return Ok(Steered::Not(deployment.state));
            }
            sqlx::query("UPDATE deployments SET steps_allowed = least(steps_allowed + 1, $2) WHERE id = $1")
                .bind(id.0)
                .bind(STEPS_ALLOWED_MAX)
                .execute(connection)
                .await?;
            Ok(Steered::Now)
        })
        .await
    }

    /// Ends a deployment that is in flight, or waits for its turn. Hosts that have the release keep it, and nobody else gets it.
    ///
    /// Fails with [`Error::UnknownDeployment`] and [`Error::Denied`].
    pub async fn cancel_deployment(&self, id: DeploymentId, actor: &Actor) -> Result<Steered, Error> {
        let mut transaction = self.pool.begin().await?;
        // The service's counters are locked before the deployment, as everywhere.
        let epoch = any_epoch(&mut transaction, id).await?;
        let deployment = lock(&mut transaction, id).await?;
        if !deployment.state.is_in_flight() {
            return Ok(Steered::Not(deployment.state));
        }
        governed::allow_steering(&mut transaction, actor, &deployment).await?;
        let reason = format!("cancelled by {actor}");
        enter_state(&mut transaction, id, DeploymentState::Cancelled, Some(&reason)).await?;
        end(&mut transaction, id, DeploymentState::Cancelled, epoch).await?;
        hints::send(&mut transaction, Hint::Deployment(id)).await?;
        governed::steered(&mut transaction, actor, "abort", &deployment).await?;
        transaction.commit().await?;
        Ok(Steered::Now)
    }

    async fn steer(
        &self,
        (id, actor, action): (DeploymentId, &Actor, &'static str),
        word: impl AsyncFnOnce(&mut PgConnection, &Locked) -> Result<Steered, Error>,
    ) -> Result<Steered, Error> {
        let mut transaction = self.pool.begin().await?;
        let deployment = lock(&mut transaction, id).await?;
        governed::allow_steering(&mut transaction, actor, &deployment).await?;
        let steered = word(&mut transaction, &deployment).await?;
        if steered == Steered::Now {
            hints::send(&mut transaction, Hint::Deployment(id)).await?;
            governed::steered(&mut transaction, actor, action, &deployment).await?;
            transaction.commit().await?;
        }
        Ok(steered)
    }
}
