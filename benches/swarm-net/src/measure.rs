//! One run of one side.

use anyhow::bail;
use bench_harness::{Busy, GB, Usage, percentile};
use bench_network::{Bridge, Node};
use bench_peers::{Program, Setting, Tracker};
use bench_region::{Region, starling};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one run may take.
const RUN_LIMIT: Duration = Duration::from_secs(1_800);
/// How often it is looked who is done: a thousandth of the shortest run.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where runs take place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) bridge: &'a Bridge,
    pub(crate) seed: &'a Node,
    pub(crate) hosts: &'a [Node],
    pub(crate) tracker: &'a Tracker,
}

/// Who brings the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Other(Program),
}

/// What one run showed.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// When each host had everything.
    pub(crate) seconds: Vec<f64>,
    /// What all hosts and the seed used while it ran, for each 10⁹ bytes delivered.
    pub(crate) cpu_seconds_per_gb: f64,
    /// The largest resident set of any host, in bytes.
    pub(crate) peak_rss_bytes: u64,
    /// Bytes on all links, headers included, by bytes of content delivered.
    pub(crate) wire_share: f64,
    /// How busy the machine was, 0 to 1.
    pub(crate) busy: f64,
    /// Bytes of control messages by bytes of content delivered; only of our side.
    pub(crate) control_share: Option<f64>,
}

impl Run {
    /// For people who wait.
    pub(crate) fn in_words(&self, bound: f64) -> String {
        let over = |part| percentile(&self.seconds, part) / bound;
        format!(
            "p50 {:.3}  p99 {:.3}  max {:.3} × the bound;  {:.2} CPU-seconds a GB, {:.0} MB a host; processors {:.0}% busy",
            over(0.5),
            over(0.99),
            over(1.0),
            self.cpu_seconds_per_gb,
            self.peak_rss_bytes as f64 / bench_harness::MB,
            100.0 * self.busy
        )
    }
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "starling",
            Self::Other(program) => program.name(),
        }
    }

    /// Brings the content to the hosts, which have nothing.
    pub(crate) async fn measure(
        self,
        stage: &Stage<'_>,
        content: &Path,
        torrent: &Path,
    ) -> anyhow::Result<Run> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(stage.folder)?;
        let bytes = fs_err::metadata(content)?.len();
        match self {
            Self::Ours => ours(stage, content, folder.path(), bytes).await,
            Self::Other(program) => {
                let setting = Setting {
                    seed: stage.seed,
                    hosts: stage.hosts,
                    content,
                    torrent,
                    tracker: stage.tracker,
                    folder: folder.path(),
                };
                let mut session = program.prepare(setting).await?;
                let before = Before::now(stage, &session.seed_processes())?;
                session.go()?;
                let seconds = wait(stage.hosts.len(), &before, |host| Ok(session.is_whole(host))).await?;
                before.run(
                    stage,
                    seconds,
                    bytes,
                    (&session.seed_processes(), &session.host_processes()),
                )
            }
        }
    }
}

async fn ours(stage: &Stage<'_>, content: &Path, folder: &Path, bytes: u64) -> anyhow::Result<Run> {
    let mut region = Box::pin(Region::start(&starling()?, folder, stage.seed)).await?;
    let artifact = region.upload(content).await?;
    let mut hosts = Vec::new();
    for node in stage.hosts {
        hosts.push(region.host(node).await?);
    }
    region.gathered(hosts.len()).await?;

    let before = Before::now(stage, &region.seed_processes())?;
    region.publish(artifact).await?;
    let seconds = wait(hosts.len(), &before, |host| hosts[host].has(&artifact)).await?;
    let of_hosts: Vec<u32> = hosts.iter().filter_map(bench_region::Host::id).collect();
    let mut run = before.run(stage, seconds, bytes, (&region.seed_processes(), &of_hosts))?;
    let mut control = region.manager_metric(WIRE_BYTES, &CONTROL_SENT).await?;
    for host in &hosts {
        control += host.metric(WIRE_BYTES, &CONTROL_SENT).await?;
    }
    run.control_share = Some(control / (bytes as f64 * hosts.len() as f64));
    Ok(run)
}

/// What the nodes' swarms count of everything that is no piece.
const WIRE_BYTES: &str = "starling_swarm_wire_bytes_total";
const CONTROL_SENT: [&str; 2] = ["plane=\"control\"", "direction=\"out\""];

/// The moment at which the hosts begin.
struct Before {
    began: Instant,
    seed_cpu_seconds: f64,
    wire_bytes: u64,
    busy: Busy,
}

impl Before {
    fn now(stage: &Stage<'_>, seed: &[u32]) -> anyhow::Result<Self> {
        Ok(Self {
            seed_cpu_seconds: usage(seed).cpu_seconds,
            wire_bytes: stage.bridge.bytes_sent()?,
            busy: Busy::now(),
            began: Instant::now(),
        })
    }

    /// The run that began then and ends now. What a host used before it began is counted as well: it is little.
    fn run(
        &self,
        stage: &Stage<'_>,
        seconds: Vec<f64>,
        bytes: u64,
        (seed, hosts): (&[u32], &[u32]),
    ) -> anyhow::Result<Run> {
        let delivered = bytes as f64 * seconds.len() as f64;
        let of_hosts: Vec<Usage> = hosts.iter().filter_map(|pid| Usage::of_tree(*pid)).collect();
        let cpu_seconds: f64 = of_hosts.iter().map(|usage| usage.cpu_seconds).sum();
        let of_seed = usage(seed).cpu_seconds - self.seed_cpu_seconds;
        let wire_bytes = stage.bridge.bytes_sent()? - self.wire_bytes;
        Ok(Run {
            seconds,
            cpu_seconds_per_gb: (cpu_seconds + of_seed) / (delivered / GB),
            peak_rss_bytes: of_hosts
                .iter()
                .map(|usage| usage.peak_rss_bytes)
                .max()
                .unwrap_or(0),
            wire_share: wire_bytes as f64 / delivered,
            busy: Busy::now().since(self.busy),
            control_share: None,
        })
    }
}

fn usage(processes: &[u32]) -> Usage {
    processes.iter().filter_map(|pid| Usage::of_tree(*pid)).sum()
}

/// When each host had everything, in seconds.
async fn wait(
    hosts: usize,
    before: &Before,
    is_whole: impl Fn(usize) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<f64>> {
    let mut seconds = vec![None; hosts];
    loop {
        for (host, at) in seconds.iter_mut().enumerate().filter(|(_, at)| at.is_none()) {
            if is_whole(host)? {
                *at = Some(before.began.elapsed().as_secs_f64());
            }
        }
        if let Some(all) = seconds.iter().copied().collect::<Option<Vec<f64>>>() {
            return Ok(all);
        }
        if before.began.elapsed() > RUN_LIMIT {
            bail!(
                "not every host had everything after {} seconds",
                RUN_LIMIT.as_secs()
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
