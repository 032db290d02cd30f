//! Following a build or deployment to its end by asking again and again: right whatever was missed.

use crate::api_client::{ApiClient, Error};
use console::wire::{BuildDetail, DeploymentDetail};
use model::{BuildId, DeploymentId};
use std::time::Duration;

/// Between two questions.
const PERIOD: Duration = Duration::from_millis(300);
/// How long the API may be away before following gives up; a restart takes seconds.
const AWAY_LIMIT: Duration = Duration::from_secs(60);

/// Asks for a build until it is terminal, and shows each answer to `seen`.
pub async fn build(
    api: &ApiClient,
    id: BuildId,
    mut seen: impl AsyncFnMut(&BuildDetail),
) -> Result<BuildDetail, Error> {
    let path = format!("/v1/builds/{id}");
    loop {
        let detail: BuildDetail = patiently(api, &path).await?;
        seen(&detail).await;
        if detail.build.state.is_terminal() {
            return Ok(detail);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Asks for a deployment until it is terminal, and shows each answer to `seen`.
pub async fn deployment(
    api: &ApiClient,
    id: DeploymentId,
    mut seen: impl FnMut(&DeploymentDetail),
) -> Result<DeploymentDetail, Error> {
    let path = format!("/v1/deployments/{id}");
    loop {
        let detail: DeploymentDetail = patiently(api, &path).await?;
        seen(&detail);
        if detail.deployment.state.is_terminal() {
            return Ok(detail);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Asks once, and again while the API cannot be reached, up to a limit.
async fn patiently<T: serde::de::DeserializeOwned>(api: &ApiClient, path: &str) -> Result<T, Error> {
    let give_up = tokio::time::Instant::now() + AWAY_LIMIT;
    loop {
        match api.get(path).await {
            Err(Error::Unreachable { .. }) if tokio::time::Instant::now() < give_up => {
                tokio::time::sleep(PERIOD).await;
            }
            Err(Error::Refused(refusal))
                if refusal.status >= 500 && tokio::time::Instant::now() < give_up =>
            {
                tokio::time::sleep(PERIOD).await;
            }
            other => return other,
        }
    }
}
