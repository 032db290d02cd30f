//! A service's task as a container, run by Docker or Podman over the Docker API. The only room that knows it.
//!
//! Its image is an archive among the release's files, verified as all of them are; nothing is ever pulled. The container
//! shares the host's network, as every task does, so that it is reached at its port on loopback. It has no capability and
//! can gain none.
//!
//! A container outlives the agent: it belongs to its runtime, or to nobody. It is found again by the mark in its label.

mod create;
mod follow;
mod image;
mod place;
mod runtime;
mod watch;

pub use runtime::{Containers, NoRuntime, Tried};
use watch::remove;
pub(crate) use watch::{may_live, stop, watch};

use crate::task::{LaunchId, LogFile};
use bollard::Docker;
use bollard::errors::Error as ApiError;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions, StartContainerOptions};
use model::ByteSize;
use model::service::TaskLimits;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// How often an answer in unknown words is asked for again, and the pause between.
const UNKNOWN_WORDS_MAX: u32 = 50;
const UNKNOWN_WORD_PAUSE: Duration = Duration::from_millis(100);

/// What to run.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// The image, as `docker save` writes one.
    pub archive: PathBuf,
    /// Variables of its process, beside the image's own.
    pub environment: BTreeMap<String, String>,
    /// Its own folder, which it finds under the same name.
    pub folder: PathBuf,
    /// Folders that it can read, under the same names; `folder` may lie in one.
    pub readable: Vec<PathBuf>,
    /// Where its output goes.
    pub log: LogFile,
    /// What marks it, so that it is found by who stored this before the start.
    pub launch: LaunchId,
    /// Where it is to listen: a container that is left from an earlier start there, of the same agent, goes first.
    pub port: u16,
    /// As which user its process runs; as the image says without.
    pub user: Option<u32>,
    /// What all of its processes together may use.
    pub limits: TaskLimits,
    /// Who runs it.
    pub containers: Containers,
}

/// What is stored of a container, to find it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// The runtime's own name for it, which is never given again.
    container: String,
    /// Where its runtime is asked.
    socket: PathBuf,
    /// The number of its first process.
    pub(crate) pid: u32,
    pub(crate) log: LogFile,
    memory: Option<ByteSize>,
}

/// A container could not be run. Whether it runs on is no error: see [`Ended`](crate::task::Ended).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody here runs containers.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
    /// The archive could not be read.
    #[error("failed to read the image archive {path}")]
    Archive {
        /// Which one.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The archive holds something else than one image.
    #[error("{path} is not an archive of one image: {reason}")]
    Image {
        /// Which one.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The runtime refused.
    #[error("the container runtime failed to {step}: {reason}")]
    Refused {
        /// What was asked of it.
        step: &'static str,
        /// Its word.
        reason: String,
    },
}

/// What the runtime was asked for when it refused, for [`Result::map_err`].
fn refused(step: &'static str) -> impl Fn(ApiError) -> Error {
    move |error| Error::Refused {
        step,
        reason: word(&error),
    }
}

/// The runtime's own word, without the library's around it.
fn word(error: &ApiError) -> String {
    match error {
        ApiError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        ApiError::DockerStreamError { error } => error.trim().to_owned(),
        other => other.to_string(),
    }
}

/// Asks until the answer is in words that Docker knows: Podman calls a container "stopped" between its end and its
/// cleaning up.
async fn patiently<T, F: Future<Output = Result<T, ApiError>>>(ask: impl Fn() -> F) -> Result<T, ApiError> {
    for _ in 1..UNKNOWN_WORDS_MAX {
        match ask().await {
            Err(ApiError::JsonDataError { .. }) => tokio::time::sleep(UNKNOWN_WORD_PAUSE).await,
            answer => return answer,
        }
    }
    ask().await
}

/// How a container is.
async fn inspect(docker: &Docker, container: &str) -> Result<ContainerInspectResponse, ApiError> {
    patiently(|| docker.inspect_container(container, None)).await
}

/// The number of a container's first process; 0 where it has ended already, or that can't be said now.
async fn first_process(docker: &Docker, container: &str) -> u32 {
    let found = inspect(docker, container).await.ok();
    let pid = found.and_then(|found| found.state?.pid);
    pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
}

/// Starts a container from its archive. What is left of one that can't be started is removed.
pub(crate) async fn start(spec: &ContainerSpec) -> Result<ContainerRecord, Error> {
    let (docker, socket) = spec.containers.connect().await?;
    remove_leftovers(&docker, spec).await?;
    let image = image::load(&spec.containers, &docker, &spec.archive).await?;
    let options = CreateContainerOptions {
        name: Some(format!("starling-{}", spec.launch.as_str())),
        ..CreateContainerOptions::default()
    };
    let created = docker
        .create_container(Some(options), create::body(spec, &image))
        .await;
    let container = created.map_err(refused("create the container"))?.id;
    let started = docker
        .start_container(&container, None::<StartContainerOptions>)
        .await;
    if let Err(error) = started {
        remove(&docker, &container).await;
        return Err(refused("start the container")(error));
    }
    Ok(ContainerRecord {
        pid: first_process(&docker, &container).await,
        container,
        socket,
        log: spec.log.clone(),
        memory: spec.limits.memory,
    })
}

/// Containers that an earlier life of the agent started and whose record was lost with it would still have the port.
async fn remove_leftovers(docker: &Docker, spec: &ContainerSpec) -> Result<(), Error> {
    let labels = create::place_labels(spec.containers.agent(), spec.port);
    for (id, _) in labelled(docker, labels).await? {
        tracing::warn!(
            container.id = id,
            process.port = spec.port,
            "a container of an earlier start is removed"
        );
        remove(docker, &id).await;
    }
    Ok(())
}

/// Finds the container that was started with this mark and whose record was never stored. Where no runtime answers there
/// is none.
pub(crate) async fn find(
    containers: &Containers,
    launch: &LaunchId,
    log: &LogFile,
    limits: &TaskLimits,
) -> Result<Option<ContainerRecord>, Error> {
    let Ok((docker, socket)) = containers.connect().await else {
        return Ok(None);
    };
    for (container, runs) in labelled(&docker, vec![create::launch_label(launch)]).await? {
        if !runs {
            remove(&docker, &container).await;
            continue;
        }
        return Ok(Some(ContainerRecord {
            pid: first_process(&docker, &container).await,
            container,
            socket,
            log: log.clone(),
            memory: limits.memory,
        }));
    }
    Ok(None)
}

/// Every container with all of these labels, and whether it runs.
async fn labelled(docker: &Docker, labels: Vec<String>) -> Result<Vec<(String, bool)>, Error> {
    let options = ListContainersOptions {
        all: true,
        filters: Some(HashMap::from([("label".to_owned(), labels)])),
        ..ListContainersOptions::default()
    };
    let listed = patiently(|| docker.list_containers(Some(options.clone())))
        .await
        .map_err(refused("list its containers"))?;
    let found = listed.into_iter().filter_map(|container| {
        let runs = container
            .state
            .is_some_and(|state| state.to_string() == "running");
        Some((container.id?, runs))
    });
    Ok(found.collect())
}
