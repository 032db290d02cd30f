//! From an order to a running process.

use crate::ports::NoPort;
use crate::seat::{Launch, Terms};
use crate::users::NoUser;
use crate::{Config, isolating, logs, releases};
use model::service::{InvalidServiceSpec, Program};
use model::{DesiredService, ServiceName};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tasks::container::ContainerSpec;
use tasks::health::Target;
use tasks::task::isolation::Isolation;
use tasks::task::{self, LaunchId, LogFile, Task, TaskSpec};

/// How often a program is started that is said to be open for writing, and the pause between. No file of an artifact
/// is written to once it is whole; but a process that is being started elsewhere holds, for a moment, what was open.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(25);

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error(transparent)]
    Spec(#[from] InvalidServiceSpec),
    #[error(transparent)]
    Port(#[from] NoPort),
    #[error(transparent)]
    User(#[from] NoUser),
    #[error("failed to get a random number")]
    Random(#[source] io::Error),
    #[error(transparent)]
    Task(#[from] tasks::Error),
}

/// What is written down of a process before it is started.
pub(crate) fn plan(
    config: &Config,
    order: &DesiredService,
    port: u16,
    isolation: Isolation,
) -> Result<Launch, NotStarted> {
    let log = LogFile {
        path: logs::file(&config.folder, &order.service, order.release),
        length_max: config.log_length_max,
    };
    Ok(Launch {
        id: LaunchId::new().map_err(NotStarted::Random)?,
        log,
        terms: Terms {
            release: order.release,
            artifact: order.artifact,
            port,
            port_variable: order.spec.port_variable.clone(),
            health: order.spec.health.clone(),
            stop_timeout_seconds: order.spec.stop_timeout_seconds,
            overlap: order.spec.overlap,
            container: order.spec.image.is_some(),
            isolation,
            limits: order.spec.limits,
        },
    })
}

/// Starts the order's program as it was planned. `artifact` is the folder that holds its verified bytes; the logs that
/// are `in_use` stay whatever their age.
pub(crate) async fn launch(
    config: &Config,
    order: &DesiredService,
    artifact: &Path,
    plan: &Launch,
    in_use: Vec<PathBuf>,
) -> Result<Task, NotStarted> {
    make_room(config, &order.service, plan, in_use).await;
    let variables = variables(config, order, artifact, &plan.terms);
    let folder = run_folder(config, &order.service);
    match order.spec.program()? {
        Program::Command { program, arguments } => {
            let spec = TaskSpec {
                folder,
                program: artifact.join(program),
                arguments: arguments.to_vec(),
                environment: variables,
                log: plan.log.clone(),
                launch: plan.id.clone(),
                isolation: plan.terms.isolation,
                view: isolating::view(config, &order.service, artifact, &plan.terms).await,
                limits: plan.terms.limits,
                groups: config.groups.clone(),
            };
            Ok(start(spec).await?)
        }
        Program::Image(archive) => {
            let spec = ContainerSpec {
                archive: artifact.join(archive),
                environment: variables,
                folder,
                readable: vec![
                    artifact.to_owned(),
                    service_folder(&config.folder, &order.service),
                ],
                log: plan.log.clone(),
                launch: plan.id.clone(),
                port: plan.terms.port,
                user: plan.terms.isolation.user,
                limits: plan.terms.limits,
                containers: config.containers.clone(),
            };
            Ok(task::start_container(spec).await?)
        }
    }
}

/// All that an order's process is told. The configuration stands above the spec, and Starling's own word above both; only
/// `PATH` may be another, as the program's own image may say, too.
fn variables(
    config: &Config,
    order: &DesiredService,
    artifact: &Path,
    terms: &Terms,
) -> BTreeMap<String, String> {
    let told = told(config, &order.service, artifact, terms);
    let mut variables = told.clone();
    if terms.container {
        variables.remove("PATH");
    }
    let said = order
        .spec
        .environment
        .iter()
        .chain(&order.configuration.variables);
    for (name, value) in said {
        if name == "PATH" || !told.contains_key(name) {
            variables.insert(name.clone(), value.clone());
        }
    }
    if let Some(version) = &order.configuration.version {
        variables.insert("STARLING_CONFIGURATION".to_owned(), version.to_string());
    }
    variables
}

/// Keeps the logs few, and says in the one that begins or goes on what comes now.
async fn make_room(config: &Config, service: &ServiceName, plan: &Launch, mut in_use: Vec<PathBuf>) {
    in_use.push(plan.log.path.clone());
    let (folder, name) = (config.folder.clone(), service.clone());
    let pruned = tokio::task::spawn_blocking(move || logs::prune(&folder, &name, &in_use));
    if let Err(error) = pruned.await.map_err(io::Error::other).flatten() {
        tracing::warn!(service.name = %service, %error, "failed to delete the output of an old release");
    }
    let start = logs::start_line(plan.terms.release, plan.terms.port);
    let apart = isolating::describe(&plan.terms);
    logs::say(&plan.log, format!("{start}, {apart}")).await;
}

/// How a task is asked for its health.
pub(crate) fn target(config: &Config, service: &ServiceName, artifact: PathBuf, terms: &Terms) -> Target {
    Target {
        port: terms.port,
        environment: told(config, service, &artifact, terms),
        folder: run_folder(config, service),
        isolation: terms.isolation,
        process: None,
        artifact,
    }
}

/// Where a service's logs and its working folder are.
pub(crate) fn service_folder(folder: &Path, service: &ServiceName) -> PathBuf {
    folder.join("services").join(service.as_str())
}

fn run_folder(config: &Config, service: &ServiceName) -> PathBuf {
    service_folder(&config.folder, service).join("run")
}

/// What every process of a task is told, above what its spec says.
fn told(config: &Config, service: &ServiceName, artifact: &Path, terms: &Terms) -> BTreeMap<String, String> {
    let told = [
        ("PATH", config.path.clone()),
        ("STARLING_SERVICE", service.to_string()),
        ("STARLING_RELEASE", terms.release.to_string()),
        ("STARLING_ARTIFACT", terms.artifact.to_string()),
        ("STARLING_ARTIFACT_FOLDER", artifact.display().to_string()),
        (
            "STARLING_RUN_FOLDER",
            run_folder(config, service).display().to_string(),
        ),
        ("STARLING_HOST", config.host.to_string()),
        ("STARLING_ZONE", config.zone.to_string()),
        ("STARLING_REGION", config.region.to_string()),
        (
            "STARLING_RELEASE_FILE",
            releases::file(&config.folder, service, terms)
                .display()
                .to_string(),
        ),
        (terms.port_variable.as_str(), terms.port.to_string()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into()
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
