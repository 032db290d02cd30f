//! `starling simulate`: a region's swarm on a simulated network, by the rules that hosts run.

mod svg;

use crate::output::{Form, bytes, seconds, table};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use simulator::{Case, Report};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs of one command at most.
const RUNS_MAX: u64 = 1_000_000;

/// Arguments of `starling simulate`.
#[derive(Debug, Args)]
#[group(id = "simulate")]
pub struct Options {
    /// A TOML file with the case, or the name of one: kraken, 10k, rough, scale-1k, scale-10k, scale-100k, world,
    /// net-8, net-16. What a file leaves out is as in a region of 100 hosts on 1 Gbit/s.
    #[arg(long, value_name = "FILE|NAME")]
    case: Option<PathBuf>,
    /// Decides every random choice, in place of the case's; the same seed gives the same run to the bit.
    #[arg(long)]
    seed: Option<u64>,
    /// Plays the case with so many seeds, from the first one on. Any violated invariant fails the command.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=RUNS_MAX))]
    seeds: u64,
    /// Draws the completion curve of the first run against the bound.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// One region's run, and what it showed.
#[derive(Debug, Serialize)]
struct Run {
    seed: u64,
    #[serde(flatten)]
    report: Report,
}

/// Plays a case to its end, with each seed and for each of its regions. A violated invariant or a stuck host is an error
/// that names the seed.
pub async fn run(options: Options, form: Form) -> anyhow::Result<ExitCode> {
    let case = read(&options)?;
    let first = options.seed.unwrap_or(case.seed);
    let count = options
        .seeds
        .saturating_mul(u64::from(case.regions))
        .min(RUNS_MAX);
    let runs = tokio::task::spawn_blocking(move || play(&case, first, count)).await??;
    if let (Some(file), Some(run)) = (&options.svg, runs.first()) {
        fs_err::write(file, svg::draw(&run.report))?;
    }
    match runs.as_slice() {
        [run] => form.print(run, text)?,
        _ => form.print(&runs, |runs| many(runs))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(options: &Options) -> anyhow::Result<Case> {
    let Some(asked) = &options.case else {
        return Ok(Case::default());
    };
    if let Some(case) = asked.to_str().and_then(simulator::named) {
        return Ok(case);
    }
    let text = fs_err::read_to_string(asked).with_context(|| {
        format!(
            "no file and no case of that name; there are {}",
            Case::NAMES.join(", ")
        )
    })?;
    toml::from_str(&text).with_context(|| format!("{} holds no case", asked.display()))
}

/// Regions share nothing, so one run after the other has a seed of its own.
fn play(case: &Case, first: u64, count: u64) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut failures = Vec::new();
    for seed in (0..count).map(|number| first.wrapping_add(number)) {
        let case = Case { seed, ..case.clone() };
        match simulator::run(&case) {
            Ok(report) => runs.push(Run { seed, report }),
            Err(failure) if count == 1 => {
                return Err(failure).with_context(|| format!("the run with seed {seed} failed"));
            }
            Err(failure) => failures.push((seed, failure)),
        }
    }
    let Some((seed, failure)) = failures.first() else {
        return Ok(runs);
    };
    let seeds: Vec<String> = failures.iter().map(|(seed, _)| seed.to_string()).collect();
    let (failed, seeds) = (seeds.len(), seeds.join(", "));
    Err(anyhow::Error::new(failure.clone())).with_context(|| {
        format!("{failed} of {count} runs failed, with the seeds {seeds}; seed {seed} first")
    })
}

fn text(run: &Run) -> String {
    let report = &run.report;
    let row = |name: &str, time: f64, over: f64| [name.to_owned(), seconds(time), format!("{over:.3}")];
    let times = [
        row("bound", report.bound_s, 1.0),
        row("p50", report.p50_s, report.p50_over_bound),
        row("p99", report.p99_s, report.p99_over_bound),
        row("max", report.max_s, report.max_over_bound),
    ];
    let sources = [
        ("seeds", report.bytes_from_seeds),
        ("store", report.bytes_from_store),
        ("hosts", report.bytes_from_hosts),
        ("wasted", report.bytes_wasted),
    ];
    let sources = sources.map(|(name, count)| [name.to_owned(), bytes(count)]);
    format!(
        "{}\n\n{}\n\n{} hosts; {} messages; {} events; seed {}; trace {:016x}",
        table(["WHEN", "TIME", "OVER THE BOUND"], times),
        table(["FROM", "BYTES"], sources),
        report.hosts,
        report.messages,
        report.events,
        run.seed,
        report.trace_hash,
    )
}

fn many(runs: &[Run]) -> String {
    let rows = runs.iter().map(|Run { seed, report }| {
        [
            seed.to_string(),
            report.hosts.to_string(),
            seconds(report.bound_s),
            seconds(report.max_s),
            format!("{:.3}", report.p50_over_bound),
            format!("{:.3}", report.p99_over_bound),
            format!("{:.3}", report.max_over_bound),
            format!("{:.2}", report.store_reads),
            bytes(report.bytes_wasted),
        ]
    });
    let header = [
        "SEED",
        "HOSTS",
        "BOUND",
        "MAX",
        "P50/BOUND",
        "P99/BOUND",
        "MAX/BOUND",
        "STORE READS",
        "WASTED",
    ];
    table(header, rows)
}
