//! Beginning what has waited for another deployment of its service to end.

use database::Builds;
use database::builds::DeploymentRow;
use tracing::{info, warn};

/// Begins every deployment that waits and of whose service nothing is in flight. Trouble with one holds up no other.
pub(crate) async fn begin_due(builds: &Builds, in_flight: &[DeploymentRow]) -> Result<(), database::Error> {
    for waiting in builds.queued_deployments().await? {
        let busy = in_flight.iter().any(|other| other.service == waiting.service);
        if busy && !waiting.overdue {
            continue;
        }
        match builds.begin_queued(&waiting).await {
            Ok(true) => info!(
                deployment.id = %waiting.id,
                service.name = %waiting.service,
                "a deployment that waited began"
            ),
            Ok(false) => {}
            Err(database::Error::Denied(denial)) => {
                builds.keep_waits_for(waiting.id, &denial.to_string()).await?;
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                deployment.id = %waiting.id,
                "failed to begin a deployment that waits; trying again"
            ),
        }
    }
    Ok(())
}
