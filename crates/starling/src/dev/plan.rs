//! Which processes a `starling dev` consists of, and the configuration that each is given.

use super::Options;
use super::layout::Layout;
use super::names;
use super::secrets::{self, NodeFiles};
use super::supervisor::Process;
use super::tokens;
use crate::api_client::Context as ApiContext;
use crate::observe;
use crate::roles::node::EnrolmentSettings;
use crate::roles::parts::{StoreSettings, SwarmSettings};
use crate::roles::{agent, api, controller, proxy, region, store, synchronizer, worker};
use ::agent::TasksOnExit;
use anyhow::Context as _;
use local_services::{Postgres, remembered_port};
use model::control::Limits;
use model::limits::LimitRequest;
use model::node::Role;
use model::repository::LocalRepositories;
use model::{ByteSize, HostName, RegionName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

/// The names of the two databases.
pub const JOBS: &str = "jobs";
pub const BUILDS: &str = "builds";

/// The bucket of the main store; a region's is this and its name.
const MAIN_BUCKET: &str = "starling-main";
const ACCESS_KEY_ID: &str = "starling-dev";
/// Shorter than in a real installation, so that an engineer sees a lost worker's build go on.
const LEASE_WINDOW_SECONDS: u32 = 10;
/// Where hosts' tasks listen: each host has a range of its own, since all share this machine.
const TASK_PORTS_FROM: u16 = 20_000;
const TASK_PORTS_A_HOST: u16 = 16;

/// Everything that the roles' configurations are made from.
pub struct Plan<'a> {
    layout: &'a Layout,
    options: &'a Options,
    jobs_url: String,
    builds_url: String,
    /// Each region and its etcd.
    regions: Vec<(RegionName, String)>,
    api: SocketAddr,
    store: SocketAddr,
    token: (PathBuf, String),
    store_secret: PathBuf,
    signing_key: (PathBuf, String),
}

impl<'a> Plan<'a> {
    /// Chooses ports and makes the secrets that are missing.
    pub fn new(
        layout: &'a Layout,
        options: &'a Options,
        postgres: &Postgres,
        regions: Vec<(RegionName, String)>,
    ) -> anyhow::Result<Self> {
        let (signing_key, public) = secrets::signing_key(layout)?;
        Ok(Self {
            layout,
            options,
            jobs_url: postgres.url(JOBS),
            builds_url: postgres.url(BUILDS),
            regions,
            api: (Ipv4Addr::LOCALHOST, api_port(layout, options.port)?).into(),
            store: (
                Ipv4Addr::LOCALHOST,
                remembered_port(&layout.root().join("store-port"))?,
            )
                .into(),
            token: secrets::token(layout, "engineer-token")?,
            store_secret: secrets::token(layout, "store-secret")?.0,
            signing_key: (signing_key, public.to_string()),
        })
    }

    /// Leaves a note from which the command line finds this system.
    pub fn write_context(&self) -> anyhow::Result<ApiContext> {
        let context = ApiContext {
            api: format!("http://{}", self.api),
            token_file: self.token.0.clone(),
        };
        fs_err::write(self.layout.context(), toml::to_string(&context)?)?;
        Ok(context)
    }

    /// The console's address, with the token that logs in.
    pub fn login_url(&self) -> String {
        format!("http://{}/login?token={}", self.api, self.token.1)
    }

    /// The builds database.
    pub fn builds_url(&self) -> &str {
        &self.builds_url
    }

    /// Every node of every region's swarm.
    pub fn nodes(&self) -> anyhow::Result<Vec<NodeFiles>> {
        let mut nodes = Vec::new();
        for (region, _) in &self.regions {
            for number in 1..=self.options.managers {
                let name = names::manager(number)?;
                nodes.push(secrets::node(self.layout, region, &name, Role::Manager)?);
            }
            for number in 0..self.options.hosts {
                let name = names::host(number)?;
                nodes.push(secrets::node(self.layout, region, &name, Role::Host)?);
            }
        }
        Ok(nodes)
    }

    /// Every process, in groups that are started one after the other.
    pub fn processes(&self) -> anyhow::Result<Vec<Vec<Process>>> {
        let mut control = vec![self.api()?, self.controller()?, self.synchronizer()?];
        for index in 1..=self.options.workers {
            control.push(self.worker(index)?);
        }
        let mut managers = Vec::new();
        let mut hosts = Vec::new();
        for (index, (region, etcd)) in self.regions.iter().enumerate() {
            let mut known = Vec::new();
            for number in 1..=self.options.managers {
                let (process, address) = self.manager(region, etcd, number)?;
                managers.push(process);
                known.push(address);
            }
            for number in 0..self.options.hosts {
                // At most ten regions of 64 hosts, so that the ports end below 31,000.
                let place = u16::try_from(index)? * self.options.hosts + number;
                hosts.push(self.proxy((region, index), number)?);
                hosts.push(self.host(region, number, place, &known)?);
            }
        }
        Ok(vec![vec![self.store()?], control, managers, hosts])
    }

    fn process<S: Serialize>(
        &self,
        name: String,
        role: &'static str,
        settings: &S,
    ) -> anyhow::Result<Process> {
        let config = self.layout.config(&name);
        let text = toml::to_string_pretty(settings)
            .with_context(|| format!("failed to write the settings of {name}"))?;
        fs_err::write(&config, text)?;
        Ok(Process { name, role, config })
    }

    fn store(&self) -> anyhow::Result<Process> {
        let settings = store::Settings {
            root: self.layout.store(),
            listen: self.store,
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key_file: self.store_secret.clone(),
            observe: observe::Settings::default(),
        };
        self.process("store".to_owned(), "store", &settings)
    }

    fn bucket(&self, region: Option<&RegionName>) -> StoreSettings {
        StoreSettings {
            endpoint: Some(format!("http://{}", self.store)),
            signing_region: "us-east-1".to_owned(),
            bucket: region.map_or_else(|| MAIN_BUCKET.to_owned(), |region| format!("starling-{region}")),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key_file: self.store_secret.clone(),
        }
    }

    fn api(&self) -> anyhow::Result<Process> {
        let regions = self.regions.iter().map(|(region, _)| region);
        let tokens = tokens::all(self.layout, &self.token.1, regions, self.options.workers)?;
        let settings = api::Settings {
            listen: self.api,
            jobs_url: self.jobs_url.clone(),
            builds_url: self.builds_url.clone(),
            store: self.bucket(None),
            signing_key_file: Some(self.signing_key.0.clone()),
            signing_key: None,
            mirrors: self.layout.work("api"),
            local_repositories: LocalRepositories::Allowed,
            secure_cookie: false,
            retention: retention::Policy::default(),
            tokens,
            authorities: self.authorities(),
            certificate_life_seconds: api::A_WEEK,
            observe: observe::Settings::default(),
        };
        self.process("api".to_owned(), "api", &settings)
    }

    fn authorities(&self) -> Vec<api::AuthoritySettings> {
        let regions = self.regions.iter().map(|(region, _)| region);
        let authorities = regions.map(|region| api::AuthoritySettings {
            region: region.clone(),
            key_file: secrets::authority(self.layout, region),
        });
        authorities.collect()
    }

    fn enrolment(&self, node: &NodeFiles) -> EnrolmentSettings {
        EnrolmentSettings {
            api: format!("http://{}", self.api),
            join_token_file: node.join_token.clone(),
        }
    }

    fn controller(&self) -> anyhow::Result<Process> {
        let regions = self
            .regions
            .iter()
            .map(|(name, etcd)| controller::RegionSettings {
                name: name.clone(),
                etcd: vec![etcd.clone()],
                store: self.bucket(Some(name)),
            });
        let settings = controller::Settings {
            jobs_url: self.jobs_url.clone(),
            builds_url: self.builds_url.clone(),
            store: self.bucket(None),
            regions: regions.collect(),
            collection: None,
            history_days: None,
            lease_window_seconds: LEASE_WINDOW_SECONDS,
            observe: observe::Settings::default(),
        };
        self.process("controller".to_owned(), "controller", &settings)
    }

    fn synchronizer(&self) -> anyhow::Result<Process> {
        let regions = self.regions.iter().map(|(name, _)| synchronizer::RegionSettings {
            name: name.clone(),
            store: self.bucket(Some(name)),
            near: None,
            replicates_by_itself: false,
        });
        let settings = synchronizer::Settings {
            jobs_url: self.jobs_url.clone(),
            builds_url: self.builds_url.clone(),
            main_store: self.bucket(None),
            regions: regions.collect(),
            copy_bytes_per_second: None,
            observe: observe::Settings::default(),
        };
        self.process("synchronizer".to_owned(), "synchronizer", &settings)
    }

    fn worker(&self, index: u16) -> anyhow::Result<Process> {
        let name = names::worker(index);
        let settings = worker::Settings {
            name: name.parse()?,
            jobs_url: self.jobs_url.clone(),
            folder: self.layout.work(&name),
            slots: 1,
            lease_window_seconds: LEASE_WINDOW_SECONDS,
            upload_timeout_seconds: worker::default_upload_timeout_seconds(),
            stop_grace_seconds: 0,
            local_repositories: LocalRepositories::Allowed,
            admission: worker::AdmissionSettings::default(),
            caches_max: ByteSize::gibibytes(5),
            sandbox: worker::SandboxSettings::for_this_machine(),
            limits: LimitRequest::default(),
            limits_max: LimitRequest::default(),
            secrets: BTreeMap::new(),
            api: format!("http://{}", self.api),
            token_file: tokens::of_worker(self.layout, &name)?.0,
            observe: observe::Settings::default(),
        };
        self.process(name, "worker", &settings)
    }

    fn manager(
        &self,
        region: &RegionName,
        etcd: &str,
        number: u16,
    ) -> anyhow::Result<(Process, agent::ManagerSettings)> {
        let name = names::manager(number)?;
        let node = secrets::node(self.layout, region, &name, Role::Manager)?;
        let port = remembered_port(
            &self
                .layout
                .root()
                .join("roles")
                .join(format!("{region}.{name}.port")),
        )?;
        let address = format!("/ip4/127.0.0.1/tcp/{port}");
        let settings = region::Settings {
            region: region.clone(),
            candidate: name.clone(),
            etcd: vec![etcd.to_owned()],
            api: format!("http://{}", self.api),
            token_file: tokens::of_region(self.layout, region)?.0,
            trusted_keys: vec![self.signing_key.1.clone()],
            store: self.bucket(Some(region)),
            swarm: swarm_settings(&node, address.clone()),
            enrolment: Some(self.enrolment(&node)),
            observe: observe::Settings::default(),
        };
        let process = self.process(format!("{region}.{name}"), "region", &settings)?;
        Ok((
            process,
            agent::ManagerSettings {
                peer: node.peer.to_string(),
                addresses: vec![address],
            },
        ))
    }

    /// The proxy of one host.
    fn proxy(&self, (region, index): (&RegionName, usize), number: u16) -> anyhow::Result<Process> {
        let name = proxy_name(region, &names::host(number)?);
        let settings = proxy::Settings {
            folder: self.layout.work(&name),
            control_socket: None,
            listen: names::address(index, number)?.into(),
            limits: proxy::LimitSettings::default(),
            observe: observe::Settings::default(),
        };
        self.process(name, "proxy", &settings)
    }

    fn host(
        &self,
        region: &RegionName,
        number: u16,
        place: u16,
        managers: &[agent::ManagerSettings],
    ) -> anyhow::Result<Process> {
        let name = names::host(number)?;
        let node = secrets::node(self.layout, region, &name, Role::Host)?;
        let first_port = TASK_PORTS_FROM + place * TASK_PORTS_A_HOST;
        let settings = agent::Settings {
            zone: names::zone(region, number)?,
            region: region.clone(),
            labels: names::labels(number)?,
            folder: self.layout.host(region, &name),
            trusted_keys: vec![self.signing_key.1.clone()],
            ports: (first_port, first_port + TASK_PORTS_A_HOST - 1),
            isolate_tasks: true,
            task_users: agent::usual_users(place),
            container_sockets: agent::usual_sockets(),
            tasks_on_exit: TasksOnExit::Stop,
            proxy_control_socket: Some(self.layout.work(&proxy_name(region, &name)).join("control.sock")),
            limits: Limits::default(),
            managers: managers.to_vec(),
            swarm: swarm_settings(&node, "/ip4/127.0.0.1/tcp/0".to_owned()),
            enrolment: Some(self.enrolment(&node)),
            observe: observe::Settings::default(),
            host: name.clone(),
        };
        self.process(format!("{region}.{name}"), "agent", &settings)
    }
}

fn proxy_name(region: &RegionName, host: &HostName) -> String {
    format!("{region}.{host}.proxy")
}

fn swarm_settings(node: &NodeFiles, listen: String) -> SwarmSettings {
    SwarmSettings {
        identity_file: node.identity.clone(),
        certificate_file: node.certificate.clone(),
        authority: node.authority.to_string(),
        listen: vec![listen],
        bulk_port: 0,
    }
}

/// The port that was asked for, where it is free; else the one of an earlier start, or any.
fn api_port(layout: &Layout, asked: u16) -> std::io::Result<u16> {
    if asked != 0 && TcpListener::bind((Ipv4Addr::LOCALHOST, asked)).is_ok() {
        return Ok(asked);
    }
    remembered_port(&layout.root().join("api-port"))
}
