//! Changing what regions are told of a deployment that is in flight.

use super::{
    Builds,
    deployments::{enter_state, lock_state},
};
use crate::{Error, Hint, hints};
use model::{DeploymentId, DeploymentState, Epoch, RegionName};
use sqlx::PgConnection;

impl Builds {
    /// Tells these regions to run the deployment's release, and makes the deployment ACTIVATING. It
    /// returns the new epoch; `None`, with nothing written, when the deployment is neither STAGING nor
    /// ACTIVATING, or the regions were told already.
    ///
    /// Fails with [`Error::UnknownDeployment`].
    pub async fn activate(
        &self,
        deployment: DeploymentId,
        regions: &[RegionName],
    ) -> Result<Option<Epoch>, Error> {
        let mut transaction = self.pool.begin().await?;
        // The service's counters are locked before the deployment, as `deploy` does.
        let epoch = next_epoch(&mut transaction, deployment).await?;
        let state = lock_state(&mut transaction, deployment).await?;
        if !matches!(state, DeploymentState::Staging | DeploymentState::Activating) {
            return Ok(None);
        }
        let regions: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
        let told = sqlx::query(
            "UPDATE outbox
             SET epoch = $2, directive = 'ACTIVATE', written_at = now(), failures = 0, retry_at = now()
             WHERE deployment = $1 AND region = ANY ($3) AND directive <> 'ACTIVATE'",
        )
        .bind(deployment.0)
        .bind(epoch.0)
        .bind(&regions)
        .execute(&mut *transaction)
        .await?;
        if told.rows_affected() == 0 {
            return Ok(None);
        }
        if state == DeploymentState::Staging {
            enter_state(&mut transaction, deployment, DeploymentState::Activating, None).await?;
        }
        hints::send(&mut transaction, Hint::Deployment(deployment)).await?;
        transaction.commit().await?;
        Ok(Some(epoch))
    }
}

async fn next_epoch(connection: &mut PgConnection, deployment: DeploymentId) -> Result<Epoch, Error> {
    let epoch = sqlx::query_scalar(
        "UPDATE service_counters SET epoch = epoch + 1
         WHERE service = (SELECT service FROM deployments WHERE id = $1) RETURNING epoch",
    )
    .bind(deployment.0)
    .fetch_optional(connection)
    .await?
    .ok_or(Error::UnknownDeployment(deployment))?;
    Ok(Epoch(epoch))
}
