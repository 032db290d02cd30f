//! Real agents on a real, capped network: how far is the last host from the least possible time, and where are the
//! others?
//!
//! Each node is a network namespace on a bridge, its link capped both ways by a token bucket. Our seed is the region's
//! manager with the region's store behind it, both in one namespace and so under one cap; the hosts are agents. The
//! other programs have the content at the seed. All sides run in turn, in the same namespaces, with content that no
//! side has seen. Time begins with the word that the content is there (our side: etcd is told) and ends for a host when
//! it has verified everything.
//!
//! Every figure is a multiple of the bound of Kumar & Ross for the caps as measured: with a plain HTTP copy from the
//! seed to one host, so that what headers and token buckets cost is nobody's fault.

mod bound;
mod case;
mod measure;
mod report;

use anyhow::bail;
use bench_harness::{Plan, write_content};
use bench_network::{Bridge, enter};
use bench_peers::{Program, Tracker, make_torrent};
use case::Case;
use measure::{Run, Side, Stage};
use std::process::ExitCode;

/// How often each side runs.
const RUNS: usize = 3;
/// How much is copied to measure a link, in bytes.
const PROBE_BYTES: u64 = 64 << 20;

fn main() -> ExitCode {
    bench_harness::run("swarm-net", include_str!("../cases"), |plan| {
        // One thread, which enters the seed's namespace before it starts any other.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            tokio::select! {
                result = Box::pin(run_all(plan)) => result,
                _ = tokio::signal::ctrl_c() => bail!("interrupted; everything that was started is ended"),
            }
        })
    })
}

async fn run_all(plan: &Plan) -> anyhow::Result<()> {
    let mut cases = plan
        .cases
        .iter()
        .map(|name| Case::named(name))
        .collect::<Result<Vec<_>, _>>()?;
    if plan.quick {
        cases.truncate(1);
        cases.iter_mut().for_each(Case::shorten);
    }
    for program in Program::ALL.iter().filter(|program| !program.is_installed()) {
        eprintln!("  {} is not installed, so it is left out", program.name());
    }
    for case in &cases {
        run_case(plan, case).await?;
    }
    Ok(())
}

async fn run_case(plan: &Plan, case: &Case) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("starling-bench-").tempdir()?;
    let names: Vec<String> = std::iter::once("seed".to_owned())
        .chain((1..=case.hosts).map(|number| format!("host-{number}")))
        .collect();
    let bridge = Bridge::new(&names, case.cap, &folder.path().join("network.log"))?;
    let [seed, hosts @ ..] = bridge.nodes() else {
        bail!("a bridge without nodes");
    };
    enter(seed)?;
    let tracker = Tracker::start(seed.address).await?;
    let stage = Stage {
        folder: folder.path(),
        bridge: &bridge,
        seed,
        hosts,
        tracker: &tracker,
    };

    let rate = link_rate(&stage).await?;
    let bound = bound::least_seconds(case.bytes, case.hosts, rate);
    eprintln!(
        "{}: a link carries {:.2} MB/s, so the least possible time is {bound:.2} s",
        case.name,
        rate / 1e6
    );
    let mut sides = vec![(Side::Ours, Vec::new())];
    let installed = Program::ALL.into_iter().filter(|program| program.is_installed());
    sides.extend(installed.map(|program| (Side::Other(program), Vec::new())));
    for round in 0..plan.runs_or(RUNS) {
        let content = stage.content("content", case.bytes, round as u64)?;
        let torrent = folder.path().join("content.torrent");
        make_torrent(&content, &tracker.url(), &torrent)?;
        for (side, runs) in &mut sides {
            // A copy from one seed to all takes hosts × bytes ÷ rate, run after run.
            if *side == Side::Other(Program::Http) && round > 0 {
                continue;
            }
            let run = Box::pin(side.measure(&stage, &content, &torrent)).await?;
            eprintln!("  {:<10} {}", side.name(), run.in_words(bound));
            runs.push(run);
        }
    }
    report::emit(plan.bench, case, (rate, bound), &sides)
}

/// Bytes of content a second that a link carries, measured by one HTTP copy.
async fn link_rate(stage: &Stage<'_>) -> anyhow::Result<f64> {
    let probe = stage.content("probe", PROBE_BYTES, 0)?;
    let to_one = Stage {
        hosts: &stage.hosts[..1],
        ..*stage
    };
    let http = Side::Other(Program::Http);
    let run: Run = Box::pin(http.measure(&to_one, &probe, &probe)).await?;
    Ok(PROBE_BYTES as f64 / run.seconds[0])
}

impl Stage<'_> {
    /// Writes content into a folder of its own.
    fn content(&self, name: &str, bytes: u64, seed: u64) -> anyhow::Result<std::path::PathBuf> {
        let folder = self.folder.join(format!("{name}-at-the-seed"));
        fs_err::create_dir_all(&folder)?;
        let path = folder.join(name);
        write_content(&path, bytes, seed)?;
        Ok(path)
    }
}
