//! Real agents in network namespaces on a bridge, each link capped both ways, beside other programs.
//!
//! Our seed is the region's manager with the region's store behind it, both in one namespace and so under one cap; the
//! hosts are agents. The other programs have the content at the seed. All sides run in turn, in the same namespaces, each
//! run in empty folders. Time begins with the word that the content is there (our side: etcd is told) and ends for a host
//! when it has verified everything.
//!
//! Every figure is a multiple of the bound of Kumar & Ross for the caps as measured: with a plain HTTP copy from the
//! seed to one host, so that what headers and token buckets cost is nobody's fault.

mod bound;
mod case;
mod limit;
mod measure;
mod report;
mod side;

use anyhow::bail;
use bench_harness::{Bench, Estimate, MB, Plan, Scratch, in_turn, write_content};
use bench_network::{Bridge, enter};
use bench_peers::Tracker;
use case::Case;
use measure::{Content, Run, Stage};
use side::Side;
use std::process::ExitCode;

/// How often each side runs.
const RUNS: usize = 3;

fn main() -> ExitCode {
    let bench = Bench {
        name: "swarm-net",
        cases: include_str!("../cases"),
        estimate,
    };
    bench.run(measure)
}

fn estimate(plan: &Plan, name: &str) -> anyhow::Result<Estimate> {
    let case = Case::named(name, plan.quick)?;
    let rounds = plan.runs_or(RUNS);
    let of = |side: Side| limit::estimate(&case, side, rounds);
    Ok(Side::all().into_iter().map(of).sum())
}

async fn measure(plan: &Plan, name: &str) -> anyhow::Result<()> {
    let case = Case::named(name, plan.quick)?;
    let scratch = Scratch::new(case.disk_bytes())?;
    let hosts = (1..=case.hosts).map(|number| format!("host-{number}"));
    let names: Vec<String> = std::iter::once("seed".to_owned()).chain(hosts).collect();
    let bridge = Bridge::new(&names, case.cap, &scratch.path().join("network.log"))?;
    let [seed, hosts @ ..] = bridge.nodes() else {
        bail!("a bridge without nodes");
    };
    enter(seed)?;
    let tracker = Tracker::start(seed.address).await?;
    let stage = Stage {
        folder: scratch.path(),
        bridge: &bridge,
        seed,
        hosts,
        tracker: &tracker,
    };

    let rate = measure::link_rate(&stage, &case).await?;
    let bound = bound::least_seconds(case.bytes, case.hosts, rate);
    eprintln!(
        "  a link carries {:.2} MB/s, so the least possible time is {bound:.2} s",
        rate / MB
    );
    let content = content(&stage, &case)?;
    let rounds = plan.runs_or(RUNS);
    let times = |side: &Side, runs: &[Run]| limit::times(*side, runs, rounds, bound);
    let sides = in_turn(Side::all(), times, async |side| {
        let limit = limit::limit(&case, *side, rate);
        let run = Box::pin(measure::run(*side, &stage, &content, limit)).await?;
        eprintln!("  {:<10} {}", side.to_string(), run.in_words(bound));
        Ok(run)
    })
    .await;
    report::emit(plan, &case, (rate, bound), &sides)
}

/// The content at the seed.
fn content(stage: &Stage<'_>, case: &Case) -> anyhow::Result<Content> {
    let folder = stage.folder.join("content-at-the-seed");
    fs_err::create_dir_all(&folder)?;
    let content = Content {
        file: folder.join("content"),
        torrent: stage.folder.join("content.torrent"),
        bytes: case.bytes,
    };
    write_content(&content.file, content.bytes, 1)?;
    Ok(content)
}
