//! The shipped agent swaps releases behind the shipped proxy, and is killed meanwhile.

use crate::load::{Load, Protocol, Summary};
use crate::processes::start_program;
use crate::report;
use crate::swaps::Outcome;
use anyhow::Context as _;
use bench_harness::{Plan, Scratch};
use bench_network::Node;
use bench_region::{Host, PROGRAM, Region, starling};
use local_services::{Child, free_port};
use model::service::{Cutover, HealthCheck, Overlap};
use model::{
    ArtifactId, Configuration, Cursor, DeploymentId, Epoch, Layer, RegionService, ReleaseNumber, Selector,
    ServiceSpec,
};
use proxy_control::Client;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

const RATE: u32 = 2_000;
const CLIENTS: u32 = 50;
const SERVICE: &str = "web";
/// How long one swap may take, kills included.
const SWAP_LIMIT: Duration = Duration::from_secs(120);
/// How often the proxy is asked who serves.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long an agent lives, one after the other: so that each kill falls into another moment of a cut-over, which takes
/// about a second, and in the middle of what it does when it starts.
const LIVES_MS: [u64; 8] = [700, 2_900, 150, 1_300, 4_300, 0, 1_900, 500];
/// A new proxy takes over at every so many kills.
const KILLS_A_TAKE_OVER: u64 = 3;

/// How long the load is sent.
pub fn seconds(plan: &Plan) -> u64 {
    if plan.quick { 30 } else { 300 }
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let scratch = Scratch::new(0)?;
    let stage = Stage::start(scratch.path()).await?;
    // Before the host, so that it goes after it.
    let mut left = Left::default();
    let mut host = stage.host().await?;
    left.ledger = host.folder().join("ledger.json");
    let measured = run(&stage, &mut host, seconds(plan)).await;
    // With its tasks, however it went.
    host.stop().await?;
    stage.region.end(Vec::new()).await?;
    report::swaps(plan, case, &measured?)
}

/// The tasks that outlive their agent when the bench is interrupted. Dropping it kills them.
#[derive(Default)]
struct Left {
    ledger: PathBuf,
}

impl Drop for Left {
    fn drop(&mut self) {
        let ledger: Value = fs_err::read(&self.ledger)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let web = &ledger["services"][SERVICE];
        for task in [&web["task"], &web["beside"]["task"]] {
            let pid = task["process"]["pid"]
                .as_i64()
                .and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                // One that has ended is what is wanted.
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
    }
}

/// All that runs besides the host's agent.
struct Stage {
    folder: PathBuf,
    region: Region,
    artifact: ArtifactId,
    client: Client,
    stable_port: u16,
}

impl Stage {
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let region = Region::start(&starling()?, folder, &Node::loopback("seed")).await?;
        let artifact = Box::pin(region.upload(&std::env::current_exe()?)).await?;
        let settings = format!("folder = {:?}\nlisten = \"127.0.0.1\"\n", folder.join("proxy"));
        fs_err::write(folder.join("proxy.toml"), settings)?;
        Ok(Self {
            folder: folder.to_owned(),
            region,
            artifact,
            client: Client::new(folder.join("proxy/control.sock")),
            stable_port: free_port()?,
        })
    }

    async fn host(&self) -> anyhow::Result<Host> {
        let settings = format!(
            "proxy_control_socket = {:?}\ntasks_on_exit = \"stop\"\n",
            self.client.socket()
        );
        let host = self
            .region
            .host_with(&Node::loopback("host-1"), &settings)
            .await?;
        self.region.gathered(1).await?;
        Ok(host)
    }

    /// Starts a proxy, which takes over from the one that runs.
    async fn proxy(&self) -> anyhow::Result<Child> {
        let config = self.folder.join("proxy.toml").display().to_string();
        let program = starling()?.display().to_string();
        let mut child = start_program(
            &program,
            &["proxy", "--config", &config],
            &self.folder.join("proxy.log"),
        )?;
        let answers = || async { self.client.status().await.is_ok() };
        child.wait_until(Duration::from_secs(20), answers).await?;
        Ok(child)
    }

    /// Which release serves.
    async fn serving(&self) -> Option<i64> {
        let services = self.client.status().await.ok()?;
        Some(services.first()?.point.active.release.0)
    }

    /// Orders a release, and waits until it serves.
    async fn swap_to(&self, release: i64) -> anyhow::Result<()> {
        self.region.order(&self.service(release)?).await?;
        let serves = async {
            while self.serving().await != Some(release) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(SWAP_LIMIT, serves)
            .await
            .with_context(|| format!("release {release} never served"))
    }

    fn service(&self, release: i64) -> anyhow::Result<RegionService> {
        let command = [PROGRAM, "--part", "task"].map(str::to_owned).to_vec();
        let spec = ServiceSpec {
            stable_port: Some(self.stable_port),
            health: HealthCheck {
                interval_ms: 50,
                ..HealthCheck::default()
            },
            // One that ran exactly as the one before would be the same process under another number.
            environment: [("TURN".to_owned(), release.to_string())].into(),
            overlap: Overlap::Always,
            cutover: Cutover {
                warm_seconds: 0,
                ..Cutover::default()
            },
            ..ServiceSpec::new("//bench:content".parse()?, command)
        };
        let layer = Layer {
            epoch: Epoch(release),
            selector: Selector::default(),
            configuration: Configuration::default(),
            cursor: Cursor::EVERYBODY,
            warm: false,
            deployment: DeploymentId(format!("00000000-0000-7000-8000-{release:012}").parse()?),
            release: ReleaseNumber(release),
            artifact: self.artifact,
            spec,
        };
        Ok(RegionService {
            service: SERVICE.parse()?,
            epoch: Epoch(release),
            layers: vec![layer],
        })
    }
}

async fn run(stage: &Stage, host: &mut Host, seconds: u64) -> anyhow::Result<Outcome> {
    let first = stage.proxy().await?;
    stage.swap_to(1).await?;
    let load = Load {
        port: stage.stable_port,
        protocol: Protocol::Http1,
        clients: CLIENTS,
        rate: RATE,
        seconds,
    };
    let counts = Counts::default();
    let load: Summary = tokio::select! {
        load = load.run(&stage.folder) => load?,
        failed = swap_for_ever(stage, &counts) => failed?,
        failed = kill_for_ever(stage, host, first, &counts) => failed?,
    };
    Ok(Outcome {
        load,
        swaps: counts.swaps.get(),
        killed: "the agent",
        kills: counts.kills.get(),
        take_overs: counts.take_overs.get(),
    })
}

#[derive(Default)]
struct Counts {
    swaps: Cell<u64>,
    kills: Cell<u64>,
    take_overs: Cell<u64>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// Ends only by an error.
async fn swap_for_ever(stage: &Stage, counts: &Counts) -> anyhow::Result<Summary> {
    for release in 2.. {
        stage.swap_to(release).await?;
        count(&counts.swaps);
    }
    anyhow::bail!("there are no more releases")
}

/// Ends only by an error.
async fn kill_for_ever(
    stage: &Stage,
    host: &mut Host,
    first: Child,
    counts: &Counts,
) -> anyhow::Result<Summary> {
    let mut proxies = vec![first];
    for life in LIVES_MS.into_iter().cycle() {
        tokio::time::sleep(Duration::from_millis(life)).await;
        host.kill_and_start().await?;
        count(&counts.kills);
        if counts.kills.get().is_multiple_of(KILLS_A_TAKE_OVER) {
            // While swaps go on. Each but the newest ends by itself.
            proxies.push(stage.proxy().await?);
            proxies.retain_mut(|proxy| proxy.still_runs().is_ok());
            count(&counts.take_overs);
        }
    }
    anyhow::bail!("there are no more lives")
}
