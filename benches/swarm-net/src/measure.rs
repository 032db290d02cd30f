//! One run of one side.

use crate::case::Case;
use crate::side::Side;
use bench_harness::{GB, MB, Race, percentile, settle, write_content};
use bench_network::{Bridge, Node};
use bench_peers::{Program, Setting, Tracker};
use bench_region::{Host, Region, starling};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a copy to one host may take that measures a link.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// Where runs take place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) bridge: &'a Bridge,
    pub(crate) seed: &'a Node,
    pub(crate) hosts: &'a [Node],
    pub(crate) tracker: &'a Tracker,
}

/// What is brought.
#[derive(Debug)]
pub(crate) struct Content {
    /// Alone in its folder.
    pub(crate) file: PathBuf,
    pub(crate) torrent: PathBuf,
    pub(crate) bytes: u64,
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
    /// Of a run that delivered so many bytes to all hosts together, and put so many on the wire.
    fn new(race: Race, (delivered, wire_bytes): (f64, u64)) -> Self {
        let Race { seconds, spent } = race;
        let of_hosts = spent.peak_rss_bytes.iter().rev().take(seconds.len());
        Self {
            cpu_seconds_per_gb: spent.cpu_seconds / (delivered / GB),
            peak_rss_bytes: of_hosts.copied().max().unwrap_or(0),
            wire_share: wire_bytes as f64 / delivered,
            busy: spent.busy,
            seconds,
            control_share: None,
        }
    }

    /// The multiple of the bound that this part of the hosts did not exceed.
    pub(crate) fn over(&self, bound: f64, part: f64) -> f64 {
        percentile(&self.seconds, part) / bound
    }

    /// For people who wait.
    pub(crate) fn in_words(&self, bound: f64) -> String {
        format!(
            "p50 {:.3}  p99 {:.3}  max {:.3} × the bound;  {:.2} CPU-seconds a GB, {:.0} MB a host; processors {:.0}% busy",
            self.over(bound, 0.5),
            self.over(bound, 0.99),
            self.over(bound, 1.0),
            self.cpu_seconds_per_gb,
            self.peak_rss_bytes as f64 / MB,
            100.0 * self.busy
        )
    }
}

/// Brings the content to the hosts, which have nothing. Nothing of it is left when it ends.
pub(crate) async fn run(
    side: Side,
    stage: &Stage<'_>,
    content: &Content,
    limit: Duration,
) -> anyhow::Result<Run> {
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(stage.folder)?;
    settle();
    match side {
        Side::Ours => Box::pin(ours(stage, content, folder.path(), limit)).await,
        Side::Other(program) => theirs(program, stage, content, folder.path(), limit).await,
    }
}

async fn theirs(
    program: Program,
    stage: &Stage<'_>,
    content: &Content,
    folder: &Path,
    limit: Duration,
) -> anyhow::Result<Run> {
    let setting = Setting {
        seed: stage.seed,
        hosts: stage.hosts,
        content: &content.file,
        torrent: &content.torrent,
        tracker: stage.tracker,
        folder,
    };
    let session = program.prepare(setting).await?;
    let wire_before = stage.bridge.bytes_sent()?;
    let race = session.race(limit).await?;
    Ok(Run::new(race, stage.carried(content, wire_before)?))
}

async fn ours(stage: &Stage<'_>, content: &Content, folder: &Path, limit: Duration) -> anyhow::Result<Run> {
    let mut region = Box::pin(Region::start(&starling()?, folder, stage.seed)).await?;
    let artifact = region.upload(&content.file).await?;
    let mut hosts = Vec::new();
    for node in stage.hosts {
        hosts.push(region.host(node).await?);
    }
    region.gathered(hosts.len()).await?;

    let wire_before = stage.bridge.bytes_sent()?;
    let measured = match region.race(&mut hosts, artifact, limit).await {
        Ok(race) => {
            let mut run = Run::new(race, stage.carried(content, wire_before)?);
            run.control_share = Some(control_bytes(&region, &hosts).await? / stage.delivered(content));
            Ok(run)
        }
        Err(error) => Err(error),
    };
    region.end(hosts).await?;
    measured
}

/// What the nodes' swarms count of everything that is no piece.
const WIRE_BYTES: &str = "starling_swarm_wire_bytes_total";
const CONTROL_SENT: [&str; 2] = ["plane=\"control\"", "direction=\"out\""];

/// Bytes of control messages that all nodes sent.
async fn control_bytes(region: &Region, hosts: &[Host]) -> anyhow::Result<f64> {
    let mut bytes = region.manager_metric(WIRE_BYTES, &CONTROL_SENT).await?;
    for host in hosts {
        bytes += host.metric(WIRE_BYTES, &CONTROL_SENT).await?;
    }
    Ok(bytes)
}

/// Bytes of content a second that a link carries, measured by one HTTP copy.
pub(crate) async fn link_rate(stage: &Stage<'_>, case: &Case) -> anyhow::Result<f64> {
    let folder = tempfile::Builder::new()
        .prefix("probe-")
        .tempdir_in(stage.folder)?;
    let (at_the_seed, copies) = (folder.path().join("at-the-seed"), folder.path().join("copies"));
    fs_err::create_dir_all(&at_the_seed)?;
    fs_err::create_dir_all(&copies)?;
    let probe = Content {
        file: at_the_seed.join("probe"),
        torrent: PathBuf::new(),
        bytes: case.probe_bytes,
    };
    write_content(&probe.file, probe.bytes, 2)?;
    let to_one = Stage {
        hosts: &stage.hosts[..1],
        ..*stage
    };
    let run = theirs(Program::Http, &to_one, &probe, &copies, PROBE_LIMIT).await?;
    Ok(probe.bytes as f64 / run.seconds[0])
}

impl Stage<'_> {
    /// Bytes of content that all hosts together were brought.
    fn delivered(&self, content: &Content) -> f64 {
        content.bytes as f64 * self.hosts.len() as f64
    }

    /// Bytes of content, and bytes on all links since there were `before`.
    fn carried(&self, content: &Content, before: u64) -> anyhow::Result<(f64, u64)> {
        let wire = self.bridge.bytes_sent()?.saturating_sub(before);
        Ok((self.delivered(content), wire))
    }
}
