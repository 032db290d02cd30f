//! `starling demo`: the main job, once, on a real repository, with the time of every step.
//!
//! It starts a whole `starling dev`, then does through the API what an engineer would do, and in the
//! end asks every host over HTTP what it runs.

mod load;
mod memory;
mod report;
mod repository;
mod rollouts;

use crate::api_client::ApiClient;
use crate::commands::wait;
use crate::{dev, exit};
use anyhow::Context as _;
use clap::Args;
use console::wire::{self, BuildDetail, DeploymentDetail};
use model::code::Code;
use model::project::{PROJECT_FILE, ProjectFile};
use model::service::Overlap;
use model::{
    BuildState, Commit, DeploymentState, Priority, RepositoryName, ServiceName, ServiceSpec, Target, WhenBusy,
};
use reqwest::Method;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the build, and again the deployment, may take at most.
const STEP_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Arguments of `starling demo`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The repository to build from, whose `starling.toml` names the beacon.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    repository: PathBuf,
    /// End after the run, print the table of phases, and fail on any shortfall; the data is removed.
    #[arg(long)]
    once: bool,
    /// Put a payload of this size beside the program, such as 2GiB.
    #[arg(long, value_name = "SIZE", value_parser = repository::parse_size)]
    artifact_size: Option<u64>,
    #[command(flatten)]
    dev: dev::Options,
}

/// What one run showed.
#[derive(Debug)]
struct Outcome {
    commit: Commit,
    build: BuildDetail,
    deployment: DeploymentDetail,
    shown: rollouts::Shown,
    answers: Vec<Answer>,
    memory: Vec<memory::Peak>,
}

/// What one host said over HTTP when it was asked what it runs.
#[derive(Debug)]
struct Answer {
    host: String,
    version: Result<Version, String>,
}

/// What a beacon says that it is.
#[derive(Debug, serde::Deserialize)]
struct Version {
    commit: String,
    /// With which version of the service's configuration it runs.
    configuration: Option<String>,
}

/// Runs the demo.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    crate::observe::start_terminal_logging();
    let mut dev = options.dev.clone();
    let temporary = options
        .once
        .then(|| tempfile::Builder::new().prefix("starling-demo-").tempdir())
        .transpose()?;
    if let Some(folder) = &temporary {
        // Postgres, as another user, must be able to enter.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(folder.path(), open)?;
        folder.path().clone_into(&mut dev.data);
        dev.port = 0;
    }
    let system = dev::System::start(&dev).await?;
    let ran = tokio::select! {
        ran = main_job(&options, &system) => ran.map(Some),
        () = stop.cancelled() => Ok(None),
    };
    let code = match &ran {
        Ok(Some(outcome)) => conclude(outcome),
        Ok(None) => ExitCode::from(exit::INTERRUPTED),
        Err(_) => ExitCode::FAILURE,
    };
    if ran.is_ok() && !options.once && !stop.is_cancelled() {
        anstream::println!("console: {}\nstop with Ctrl-C", system.login());
        stop.cancelled().await;
    }
    system.stop().await?;
    ran?;
    Ok(code)
}

async fn main_job(options: &Options, system: &dev::System) -> anyhow::Result<Outcome> {
    system.ready().await?;
    let api = system.client()?;
    let source = repository::prepare(&options.repository, options.artifact_size, system.data()).await?;
    let (target, service) = match options.artifact_size {
        None => ("//crates/beacon:beacon", "beacon"),
        Some(_) => ("//crates/beacon:large", "beacon-large"),
    };
    let service: ServiceName = service.parse()?;
    let stable_port = load::free_port(system.hosts())?;
    register(&api, &source, &service, stable_port).await?;

    say(&format!("building {target} at {}", source.commit.short()));
    let build = build(&api, &source, target.parse()?).await?;
    say(&format!("deploying {service} to every host"));
    let deployment = deploy(&api, &service, &build).await?;
    let shown = rollouts::show(&api, &service, build.build.id, (system.hosts(), stable_port)).await?;
    // As they are after everything.
    let last: DeploymentDetail = api
        .get(&format!("/v1/deployments/{}", deployment.deployment.id))
        .await?;
    let answers = ask_every_host(&last).await?;
    let memory = memory::peaks(system.data())?;
    Ok(Outcome {
        commit: source.commit,
        build,
        deployment,
        shown,
        answers,
        memory,
    })
}

/// Registers the repository, and the service that it declares, found at `stable_port` on every host.
async fn register(
    api: &ApiClient,
    source: &repository::Source,
    service: &ServiceName,
    stable_port: u16,
) -> anyhow::Result<()> {
    let request = wire::NewRepository {
        name: source.name.clone(),
        url: format!("file://{}", source.folder.display()),
    };
    let _: wire::Repository = api.send_json(Method::POST, "/v1/repositories", &request).await?;
    let text = fs_err::read_to_string(source.folder.join(PROJECT_FILE))?;
    let project = ProjectFile::parse(&text)?;
    let declared = project
        .services
        .get(service)
        .with_context(|| format!("{PROJECT_FILE} declares no service {service}"))?;
    let spec = ServiceSpec {
        stable_port: Some(stable_port),
        overlap: Overlap::Always,
        ..declared.clone()
    };
    let _: wire::Service = api
        .send_json(Method::PUT, &format!("/v1/services/{service}"), &spec)
        .await?;
    Ok(())
}

async fn build(api: &ApiClient, source: &repository::Source, target: Target) -> anyhow::Result<BuildDetail> {
    let request = wire::NewBuild {
        repository: source.name.clone(),
        revision: source.commit.as_str().parse()?,
        target,
        // A demo that is run again shows the whole way again.
        force: true,
        priority: Priority::default(),
        supersede: false,
    };
    let enqueued: wire::Enqueued = api.send_json(Method::POST, "/v1/builds", &request).await?;
    let id = enqueued.build.id;
    let followed = wait::build(api, id, async |_| ());
    let detail = tokio::time::timeout(STEP_LIMIT, followed)
        .await
        .context("the build took too long")??;
    let reason = detail.build.reason.as_deref().unwrap_or("no reason given");
    anyhow::ensure!(
        detail.build.state == BuildState::Succeeded,
        "the build is {}: {reason}",
        detail.build.state
    );
    Ok(detail)
}

async fn deploy(
    api: &ApiClient,
    service: &ServiceName,
    build: &BuildDetail,
) -> anyhow::Result<DeploymentDetail> {
    let request = wire::NewDeployment {
        when_busy: WhenBusy::Supersede,
        ..wire::NewDeployment::new(service.clone(), Code::Build(build.build.id))
    };
    let confirmed: wire::Deployment = api.send_json(Method::POST, "/v1/deployments", &request).await?;
    let followed = wait::deployment(api, confirmed.id, |_| ());
    let detail = tokio::time::timeout(STEP_LIMIT, followed)
        .await
        .context("the deployment took too long")??;
    let reason = detail.deployment.reason.as_deref().unwrap_or("no reason given");
    let state = detail.deployment.state;
    anyhow::ensure!(
        state == DeploymentState::Succeeded,
        "the deployment is {state}: {reason}"
    );
    Ok(detail)
}

/// The number of hosts whose managers have heard of them lately.
pub async fn hosts_alive(api: &ApiClient) -> anyhow::Result<u64> {
    let overview: wire::Overview = api.get("/v1/overview").await?;
    Ok(overview
        .regions
        .iter()
        .map(|region| u64::from(region.hosts_alive.unwrap_or(0)))
        .sum())
}

async fn ask_every_host(deployment: &DeploymentDetail) -> anyhow::Result<Vec<Answer>> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let mut answers = Vec::with_capacity(deployment.instances.len());
    for place in &deployment.instances {
        let version = match place.instance.port {
            Some(port) => ask(&http, port).await.map_err(|error| format!("{error:#}")),
            None => Err("it reports no port".to_owned()),
        };
        answers.push(Answer {
            host: format!("{}/{}", place.region, place.host),
            version,
        });
    }
    Ok(answers)
}

async fn ask(http: &reqwest::Client, port: u16) -> anyhow::Result<Version> {
    let answer = http
        .get(format!("http://127.0.0.1:{port}/version"))
        .send()
        .await?
        .error_for_status()?;
    Ok(answer.json().await?)
}

/// Prints the table and says whether everything is as it must be.
fn conclude(outcome: &Outcome) -> ExitCode {
    anstream::println!("{}", report::tables(outcome));
    let shortfalls = report::shortfalls(outcome);
    for shortfall in &shortfalls {
        anstream::eprintln!("shortfall: {shortfall}");
    }
    if shortfalls.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_SUCCEEDED)
    }
}

fn say(text: &str) {
    anstream::eprintln!("{text}");
}

/// The name under which the demo registers its repository: its folder's, where that is a name.
fn repository_name(folder: &Path) -> anyhow::Result<RepositoryName> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.parse().ok());
    Ok(name.map_or_else(|| "starling".parse(), Ok)?)
}
