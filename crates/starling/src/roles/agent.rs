//! `starling agent`: the program on each host.

use super::frontend::ProxyFrontend;
use super::node::{self, EnrolmentSettings};
use super::parts::{self, SwarmSettings};
use crate::observe;
use agent::{Config, Manager, TasksOnExit};
use anyhow::Context as _;
use model::control::Limits;
use model::node::Role;
use model::{HostName, Labels, RegionName, ZoneName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use tasks::container::Containers;
use tasks::task::TaskGroups;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// This host's name, the one in its certificate.
    pub host: HostName,
    /// Where it stands.
    pub zone: ZoneName,
    /// Where the zone is.
    pub region: RegionName,
    /// What people say of the host, by which deployments and lists pick it.
    #[serde(default)]
    pub labels: Labels,
    /// The agent's own folder.
    pub folder: PathBuf,
    /// The public keys whose signatures under a manifest count.
    pub trusted_keys: Vec<String>,
    /// The first and last port that tasks may be given.
    pub ports: (u16, u16),
    /// Whether tasks are kept apart from the agent and from each other, as far as the machine allows it: by a user for each
    /// service where the agent is root, and by namespaces.
    #[serde(default = "yes")]
    pub isolate_tasks: bool,
    /// The first and last of these users.
    #[serde(default = "first_users")]
    pub task_users: (u32, u32),
    /// Where a container runtime (Docker, or Podman's socket) may be asked to run tasks that are images; the first that
    /// answers is.
    #[serde(default = "usual_sockets")]
    pub container_sockets: Vec<PathBuf>,
    /// Whether tasks stop with the agent, or go on and are adopted by the next one.
    #[serde(default = "keep")]
    pub tasks_on_exit: TasksOnExit,
    /// The control socket of the host's proxy, which holds the stable ports of services; without one nobody does.
    #[serde(default)]
    pub proxy_control_socket: Option<PathBuf>,
    /// Limits of this host's own; of these and the region's, the lower count.
    #[serde(default)]
    pub limits: Limits,
    /// The region's managers.
    pub managers: Vec<ManagerSettings>,
    pub swarm: SwarmSettings,
    /// Where the host gets its certificates.
    pub enrolment: Option<EnrolmentSettings>,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// Where a manager is reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerSettings {
    /// Its peer id.
    pub peer: String,
    /// Its multiaddresses.
    pub addresses: Vec<String>,
}

const fn yes() -> bool {
    true
}

fn first_users() -> (u32, u32) {
    usual_users(0)
}

/// Enough users for the tasks of one host of those that share this machine.
pub fn usual_users(place: u16) -> (u32, u32) {
    let first = agent::users::FIRST + u32::from(place) * agent::users::COUNT;
    (first, first + agent::users::COUNT - 1)
}

/// Where Docker and Podman listen by themselves: Podman of an ordinary user, too, where the agent is one.
pub fn usual_sockets() -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let own = (!user.is_root()).then(|| format!("/run/user/{}/podman/podman.sock", user.as_raw()));
    let all = ["/run/docker.sock", "/run/podman/podman.sock"].map(str::to_owned);
    own.into_iter().chain(all).map(PathBuf::from).collect()
}

const fn keep() -> TasksOnExit {
    TasksOnExit::Keep
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("agent", &settings.observe, stop.clone()).await?;
    let keys = parts::trusted_keys(&settings.trusted_keys)?;
    let managers = settings.managers.iter().map(|manager| {
        Ok(Manager {
            peer: manager.peer.parse()?,
            addresses: manager.addresses.clone(),
        })
    });
    let managers = managers.collect::<Result<Vec<_>, swarm::Error>>()?;
    let place = (settings.region.clone(), Role::Host, settings.host.clone());
    let key = settings.swarm.identity_file.clone();
    let Some((node, calls)) = node::start(&settings.swarm, settings.enrolment, place, &stop).await? else {
        return Ok(());
    };
    let mut config = Config::new(
        settings.host,
        settings.zone,
        settings.region,
        settings.folder,
        managers,
        keys,
    );
    config.ports = settings.ports.0..=settings.ports.1;
    config.labels = settings.labels;
    config.tasks_on_exit = settings.tasks_on_exit;
    settings.limits.validate()?;
    config.limits = settings.limits;

    let users = settings.task_users.0..=settings.task_users.1;
    agent::users::validate(&users).context("`task_users`")?;
    config.task_users = settings.isolate_tasks.then_some(users);
    config.hidden = vec![key];
    let name = format!("{}/{}", config.region, config.host);
    config.containers = Containers::new(&name, settings.container_sockets);
    config.groups = Some(TaskGroups::new(&format!(
        "tasks-{}-{}",
        config.region, config.host
    )));

    let mut service = agent::Service::new(config, node.handle.clone()).with_calls(calls);
    if let Some(socket) = settings.proxy_control_socket {
        service = service.with_frontend(Arc::new(ProxyFrontend::new(socket)));
    }
    readiness.ready();
    let result = service.run(stop).await;
    // The swarm ends after its user.
    node.stop().await?;
    Ok(result?)
}
