//! The control plane of a run: a Postgres, an etcd for each region, and the shipped controller as a process of its own.

use anyhow::Context as _;
use bench_postgres::Server;
use database::{Builds, Jobs, Limits};
use desired_state::DesiredState;
use futures::future::try_join_all;
use local_services::{Child, Etcd, ParentDeath, free_port};
use model::RegionName;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// How many regions there are.
pub const REGIONS: u32 = 10;
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Nobody listens there: nothing is built and nothing is stored in these runs.
const NO_STORE: &str = "{ endpoint = \"http://127.0.0.1:9\", bucket = \"none\", access_key_id = \"none\"";

/// Everything but the hosts. It ends when this is dropped.
#[derive(Debug)]
pub struct Stage {
    pub builds: Builds,
    pub regions: Vec<(RegionName, DesiredState)>,
    pub server: Server,
    /// Where the controller serves its metrics.
    pub observed_at: SocketAddr,
    controller: Child,
    etcds: Vec<Etcd>,
}

impl Stage {
    pub async fn start() -> anyhow::Result<Self> {
        let server = Server::start().await?;
        let jobs_url = server.database("jobs").await?;
        Jobs::connect(&jobs_url, Limits::default())
            .await?
            .migrate()
            .await?;
        let builds = Builds::connect(server.url(), Limits::default()).await?;
        builds.migrate().await?;
        let folder = server.folder();
        let etcds =
            (0..REGIONS).map(async |number| Etcd::start(&folder.join(format!("etcd-{number}"))).await);
        let etcds: Vec<Etcd> = try_join_all(etcds).await?;
        let mut regions = Vec::new();
        for (number, etcd) in etcds.iter().enumerate() {
            let name: RegionName = format!("region-{number}").parse()?;
            builds.upsert_region(&name).await?;
            regions.push((
                name.clone(),
                DesiredState::connect(&[etcd.endpoint()], &name).await?,
            ));
        }
        let observed_at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port()?);
        let secret = folder.join("secret");
        fs_err::write(&secret, "nothing is asked for with it")?;
        let store = format!("{NO_STORE}, secret_access_key_file = {secret:?} }}");
        let mut settings = format!(
            "jobs_url = {jobs_url:?}\nbuilds_url = {:?}\nstore = {store}\n",
            server.url()
        );
        writeln!(settings, "observe = {{ listen = \"{observed_at}\" }}")?;
        for ((name, _), etcd) in regions.iter().zip(&etcds) {
            writeln!(
                settings,
                "[[regions]]\nname = \"{name}\"\netcd = [\"{}\"]\nstore = {store}",
                etcd.endpoint()
            )?;
        }
        Ok(Self {
            controller: controller(folder, &settings, observed_at).await?,
            builds,
            regions,
            server,
            observed_at,
            etcds,
        })
    }

    pub fn controller_id(&self) -> anyhow::Result<u32> {
        self.controller.id().context("the controller has ended")
    }

    /// Writes into the regions' etcds since they began, of all together.
    pub async fn etcd_puts(&self) -> anyhow::Result<f64> {
        let mut puts = 0.0;
        for etcd in &self.etcds {
            let address = etcd.endpoint().trim_start_matches("http://").parse()?;
            puts += bench_region::scrape(address, "etcd_debugging_mvcc_put_total", &[]).await?;
        }
        Ok(puts)
    }
}

async fn controller(folder: &Path, settings: &str, observed_at: SocketAddr) -> anyhow::Result<Child> {
    let (config, log) = (folder.join("controller.toml"), folder.join("controller.log"));
    fs_err::write(&config, settings)?;
    let arguments = ["controller".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut child = Child::start(
        &bench_region::starling()?,
        arguments,
        &[],
        ParentDeath::Kill,
        &log,
    )?;
    let ready = || async move { bench_region::answers(observed_at, "/readyz").await };
    child
        .wait_until(READY_LIMIT, ready)
        .await
        .context("the controller did not start")?;
    Ok(child)
}
