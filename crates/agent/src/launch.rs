//! From an order to a running process.

use crate::Config;
use crate::seat::TaskRecord;
use fs_err::tokio as fs;
use model::{DesiredService, ServiceName};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tasks::task::{LogFile, Task, TaskSpec};

/// How often a program is started that is said to be open for writing, and the pause between. No file of an artifact
/// is written to once it is whole; but a process that is being started elsewhere holds, for a moment, what was open.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(25);

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error("failed to make the run folder")]
    Folder(#[source] io::Error),
    #[error("the order names no program")]
    NoProgram,
    #[error(transparent)]
    Task(#[from] tasks::Error),
}

/// Starts the order's program. `artifact` is the folder that holds its verified bytes; `port` the one that the
/// service's tasks had before, and `taken` those of other services.
pub(crate) async fn launch(
    config: &Config,
    order: &DesiredService,
    artifact: &Path,
    port: Option<u16>,
    taken: &[u16],
) -> Result<(Task, TaskRecord), NotStarted> {
    let port = choose_port(config, port, taken)?;
    let place = service_folder(&config.folder, &order.service);
    let run = place.join("run");
    fs::create_dir_all(&run).await.map_err(NotStarted::Folder)?;
    let (program, arguments) = order.spec.command.split_first().ok_or(NotStarted::NoProgram)?;
    let spec = TaskSpec {
        folder: run,
        program: artifact.join(program),
        arguments: arguments.to_vec(),
        environment: environment(config, order, artifact, port),
        log: LogFile {
            path: place.join("log"),
            length_max: config.log_length_max,
        },
    };
    let task = start(spec).await?;
    let record = TaskRecord {
        release: order.release,
        artifact: order.artifact,
        port,
        health: order.spec.health.clone(),
        stop_timeout_seconds: order.spec.stop_timeout_seconds,
        process: task.record().clone(),
    };
    Ok((task, record))
}

/// Where a service's log and working folder are.
fn service_folder(folder: &Path, service: &ServiceName) -> PathBuf {
    folder.join("services").join(service.as_str())
}

/// The port of before, as long as it is free; a service that keeps its port is easier to find.
fn choose_port(config: &Config, before: Option<u16>, taken: &[u16]) -> Result<u16, tasks::Error> {
    if let Some(port) = before.filter(|port| config.ports.contains(port) && !taken.contains(port))
        && let Ok(port) = tasks::port::free_port(port..=port, &[])
    {
        return Ok(port);
    }
    tasks::port::free_port(config.ports.clone(), taken)
}

/// Everything that the process is told. What Starling says stands above what the spec says.
fn environment(
    config: &Config,
    order: &DesiredService,
    artifact: &Path,
    port: u16,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([("PATH".to_owned(), config.path.clone())]);
    variables.extend(order.spec.environment.clone());
    let told = [
        ("STARLING_SERVICE", order.service.to_string()),
        ("STARLING_RELEASE", order.release.to_string()),
        ("STARLING_ARTIFACT", order.artifact.to_string()),
        ("STARLING_ARTIFACT_FOLDER", artifact.display().to_string()),
        ("STARLING_HOST", config.host.to_string()),
        ("STARLING_ZONE", config.zone.to_string()),
        ("STARLING_REGION", config.region.to_string()),
        (order.spec.port_variable.as_str(), port.to_string()),
    ];
    variables.extend(told.map(|(name, value)| (name.to_owned(), value)));
    variables
}

async fn start(spec: TaskSpec) -> Result<Task, tasks::Error> {
    for _ in 1..BUSY_TRIES {
        match tasks::task::start(spec.clone()).await {
            Err(tasks::Error::Start { source, .. }) if source.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
    tasks::task::start(spec).await
}
