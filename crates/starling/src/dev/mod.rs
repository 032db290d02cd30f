//! `starling dev`: the whole system on one machine, in one process tree.
//!
//! The parts are the same as in a real installation, each role a process of its own with a written
//! configuration; only Postgres, etcd and the object store are run by us too. Everything lives in one
//! data folder: a second start finds its data, Ctrl-C leaves no process behind.

mod admission;
mod board;
mod layout;
mod names;
mod plan;
mod secrets;
mod server;
mod supervisor;
mod tokens;

pub use board::ProcessStatus;

use crate::api_client::{ApiClient, Context as ApiContext, DATA_FOLDER};
use crate::demo::hosts_alive;
use crate::roles::parts;
use anyhow::Context as _;
use clap::Args;
use layout::Layout;
use local_services::{Etcd, Postgres};
use plan::Plan;
use server::Server;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use supervisor::Supervisor;
use tokio_util::sync::CancellationToken;

/// How long the whole system may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Arguments of `starling dev`.
#[derive(Debug, Clone, Args)]
#[group(id = "dev")]
pub struct Options {
    /// Where everything lives.
    #[arg(long, default_value = DATA_FOLDER, value_name = "FOLDER")]
    pub data: PathBuf,
    /// How many regions.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=10))]
    pub regions: u16,
    /// How many hosts in each region.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub hosts: u16,
    /// How many replication managers in each region: one leads, the others stand by.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3))]
    pub managers: u16,
    /// How many build workers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub workers: u16,
    /// The console's port; a free one is taken where it is in use.
    #[arg(long, default_value_t = 7700)]
    pub port: u16,
}

/// A running system.
#[derive(Debug)]
pub struct System {
    layout: Layout,
    api: ApiContext,
    login: String,
    /// Where each host's services are found.
    hosts: Vec<Ipv4Addr>,
    supervisor: Supervisor,
}

/// Runs the system until it is stopped.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    crate::observe::start_terminal_logging();
    let system = System::start(&options).await?;
    let outcome = tokio::select! {
        ready = system.ready() => ready,
        () = stop.cancelled() => Ok(()),
    };
    if outcome.is_ok() && !stop.is_cancelled() {
        system.greet();
        stop.cancelled().await;
    }
    anstream::eprintln!("stopping");
    system.stop().await?;
    outcome?;
    Ok(ExitCode::SUCCESS)
}

impl System {
    /// Starts the servers, then the roles in the order in which they lean on each other.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let layout = Layout::create(&options.data).context("failed to make the data folder")?;
        anstream::eprintln!("starting in {}", layout.root().display());
        let postgres = Postgres::start(&layout.postgres()).await?;
        for database in [plan::JOBS, plan::BUILDS] {
            postgres.create_database(database).await?;
        }
        let mut endpoints = Vec::new();
        let mut servers = Vec::new();
        for region in names::regions(options.regions)? {
            let etcd = Etcd::start(&layout.etcd(&region)).await?;
            let name = format!("{region}.etcd");
            endpoints.push((region, etcd.endpoint()));
            servers.push((name, Server::Etcd(etcd)));
        }
        let plan = Plan::new(&layout, options, &postgres, endpoints)?;
        servers.push(("postgres".to_owned(), Server::Postgres(postgres)));
        let builds = parts::builds(plan.builds_url()).await?;
        admission::leave_tokens(&builds, &plan.nodes()?).await?;
        let api = plan.write_context()?;
        let login = plan.login_url();
        let mut supervisor = Supervisor::new(layout.clone());
        supervisor.keep(servers);
        for group in plan.processes()? {
            supervisor.start(group);
        }
        let hosts = (0..options.regions.into())
            .flat_map(|region| (0..options.hosts).map(move |number| names::address(region, number)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            layout,
            api,
            login,
            hosts,
            supervisor,
        })
    }

    /// Waits until the API answers and every host was heard of.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let api = self.client()?;
        let wait = async {
            while hosts_alive(&api).await.unwrap_or_default() < self.hosts.len() as u64 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(READY_LIMIT, wait).await.map_err(|_| {
            let logs = self.layout.root().join("logs");
            anyhow::anyhow!(
                "not ready after {} s; see {}",
                READY_LIMIT.as_secs(),
                logs.display()
            )
        })
    }

    /// A client of this system's API, as its engineer.
    pub fn client(&self) -> anyhow::Result<ApiClient> {
        Ok(ApiClient::from_context(&self.api)?)
    }

    /// Where each host's services are found at their stable ports.
    pub fn hosts(&self) -> &[Ipv4Addr] {
        &self.hosts
    }

    /// The page that logs a browser in.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The data folder.
    pub fn data(&self) -> &std::path::Path {
        self.layout.root()
    }

    fn greet(&self) {
        let hosts = self.hosts.len();
        let noun = if hosts == 1 { "host" } else { "hosts" };
        anstream::println!("ready: {hosts} {noun}");
        anstream::println!("console: {}", self.login);
        anstream::println!("next, in another terminal:");
        anstream::println!("  starling repository add NAME FOLDER-OR-URL");
        anstream::println!("  starling build NAME main //folder:target");
        anstream::println!("stop with Ctrl-C; a second start finds its data");
    }

    /// Stops the roles, then the servers.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.supervisor.stop().await;
        // What it says is true of a running system only.
        fs_err::remove_file(self.layout.context())?;
        Ok(())
    }
}
