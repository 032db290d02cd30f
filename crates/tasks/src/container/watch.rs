//! Seeing a container's end, and bringing it about.

use super::{ContainerRecord, follow, inspect, place, runtime, word};
use crate::sandbox::Exceeded;
use crate::task::Ended;
use bollard::Docker;
use bollard::errors::Error as ApiError;
use bollard::query_parameters::{RemoveContainerOptions, RemoveImageOptions, StopContainerOptions};
use futures::StreamExt as _;
use std::time::Duration;

/// How often a container is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the last of a container's output is waited for.
const LAST_OUTPUT: Duration = Duration::from_secs(5);
/// The pause before a runtime is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes a container's output into its log until its end; then removes it, and its image unless another one uses it. A
/// runtime that does not answer is asked again: containers outlive it.
pub(crate) async fn watch(record: ContainerRecord) -> Ended {
    let docker = loop {
        match runtime::connect(&record.socket).await {
            Ok(docker) => break docker,
            Err(error) => not_answering(&record, &error).await,
        }
    };
    let mut output = Box::pin(follow::follow(&docker, &record.container, &record.log));
    let how = tokio::select! {
        how = end(&docker, &record) => how,
        () = &mut output => end(&docker, &record).await,
    };
    if tokio::time::timeout(LAST_OUTPUT, output).await.is_err() {
        tracing::warn!(
            container.id = record.container,
            "the last output of a container was not written"
        );
    }
    remove(&docker, &record.container).await;
    let log = record.log.path.clone();
    // One that stays would at worst hide the first lines of a container that starts within the same second.
    let _ = tokio::task::spawn_blocking(move || place::forget(&log)).await;
    how
}

async fn end(docker: &Docker, record: &ContainerRecord) -> Ended {
    loop {
        match look(docker, record).await {
            Ok(Some(how)) => return how,
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            Err(ApiError::DockerResponseServerError { status_code: 404, .. }) => return Ended::Unknown,
            Err(error) => not_answering(record, &error).await,
        }
    }
}

/// How a container ended, if it has.
async fn look(docker: &Docker, record: &ContainerRecord) -> Result<Option<Ended>, ApiError> {
    let state = inspect(docker, &record.container).await?.state;
    let Some(state) = state.filter(|state| state.running != Some(true)) else {
        return Ok(None);
    };
    // For a moment Podman knows that it ended, and not how: it says 0 then, but not to who waits.
    let mut waited = Box::pin(docker.wait_container(&record.container, None));
    let code = match waited.next().await {
        Some(Ok(answer)) => answer.status_code,
        Some(Err(ApiError::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => return Err(error),
        None => return Ok(None),
    };
    Ok(Some(match (state.oom_killed, record.memory) {
        (Some(true), Some(limit)) => Ended::Exceeded(Exceeded::Memory(limit)),
        _ => i32::try_from(code).map_or(Ended::Unknown, Ended::Code),
    }))
}

/// Whether a container runs, as far as its runtime says. One that has ended is removed.
pub(crate) async fn may_live(record: &ContainerRecord) -> bool {
    let Ok(docker) = runtime::connect(&record.socket).await else {
        return true;
    };
    match inspect(&docker, &record.container).await {
        Ok(found) if found.state.as_ref().and_then(|state| state.running) == Some(false) => {
            remove(&docker, &record.container).await;
            false
        }
        Err(ApiError::DockerResponseServerError { status_code: 404, .. }) => false,
        _ => true,
    }
}

async fn not_answering(record: &ContainerRecord, error: &ApiError) {
    tracing::warn!(
        container.id = record.container,
        error = word(error),
        "failed to look at a container"
    );
    tokio::time::sleep(PAUSE).await;
}

/// Asks a container to end, by the signal that its image names, and has it killed after `grace`.
pub(crate) async fn stop(record: &ContainerRecord, grace: Duration) {
    let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
    let options = StopContainerOptions {
        t: Some(seconds),
        ..StopContainerOptions::default()
    };
    loop {
        let asked = match runtime::connect(&record.socket).await {
            Ok(docker) => {
                docker
                    .stop_container(&record.container, Some(options.clone()))
                    .await
            }
            Err(error) => Err(error),
        };
        match asked {
            // It has ended, or ended already, or is gone.
            Ok(())
            | Err(ApiError::DockerResponseServerError {
                status_code: 304 | 404,
                ..
            }) => return,
            Err(error) => not_answering(record, &error).await,
        }
    }
}

/// Removes a container, killed if need be, and its image unless another container has it.
pub(crate) async fn remove(docker: &Docker, container: &str) {
    let found = inspect(docker, container).await.ok();
    let image = found.and_then(|found| found.image);
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    };
    match docker.remove_container(container, Some(options)).await {
        Ok(()) | Err(ApiError::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => {
            tracing::warn!(
                container.id = container,
                error = word(&error),
                "failed to remove a container"
            );
        }
    }
    let Some(image) = image else { return };
    match docker
        .remove_image(&image, None::<RemoveImageOptions>, None)
        .await
    {
        Ok(_)
        | Err(ApiError::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => {}
        Err(error) => tracing::warn!(
            image.id = image,
            error = word(&error),
            "failed to remove an image"
        ),
    }
}
