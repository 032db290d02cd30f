//! `starling simulate`: a region's swarm on a simulated network, by the rules that hosts run.

use crate::output::{Form, bytes, seconds, table};
use anyhow::Context as _;
use clap::Args;
use simulator::{Case, Report};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `starling simulate`.
#[derive(Debug, Args)]
#[group(id = "simulate")]
pub struct Options {
    /// A TOML file with the case; what it leaves out is as in a region of 100 hosts on 1 Gbit/s.
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// Decides every random choice, in place of the case's; the same seed gives the same run to the bit.
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs one case to its end. A violated invariant or a stuck host is an error that names the seed.
pub async fn run(options: Options, form: Form) -> anyhow::Result<ExitCode> {
    let mut case = match &options.case {
        Some(file) => toml::from_str(&fs_err::read_to_string(file)?)
            .with_context(|| format!("{} holds no case", file.display()))?,
        None => Case::default(),
    };
    case.seed = options.seed.unwrap_or(case.seed);
    let seed = case.seed;
    let ran = tokio::task::spawn_blocking(move || simulator::run(&case)).await?;
    let report = ran.with_context(|| format!("the run with seed {seed} failed"))?;
    form.print(&report, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(report: &Report) -> String {
    let row = |name: &str, time: f64, over: f64| [name.to_owned(), seconds(time), format!("{over:.3}")];
    let times = [
        row("bound", report.bound_s, 1.0),
        row("p50", report.p50_s, report.p50_over_bound),
        row("p99", report.p99_s, report.p99_over_bound),
        row("max", report.max_s, report.max_over_bound),
    ];
    format!(
        "{}\n\n{} hosts; {} from seeds, {} from hosts, {} wasted; {} messages; trace {:016x}",
        table(["WHEN", "TIME", "OVER THE BOUND"], times),
        report.hosts,
        bytes(report.bytes_from_seeds),
        bytes(report.bytes_from_hosts),
        bytes(report.bytes_wasted),
        report.messages,
        report.trace_hash,
    )
}
