//! Beside the house: how near the least possible time the swarm's rules come, on simulated networks.
//!
//! Plays the simulator's named cases by the very code that hosts run, each with several seeds, and prints their times as
//! multiples of the bound of Kumar & Ross. The quick form plays a few hundred hosts with one seed.

mod play;

use anyhow::Context as _;
use bench_harness::{Bench, Better, Estimate, MB, Plan, Report, Runs};
use play::Played;
use simulator::{Case, named};
use std::process::ExitCode;
use std::time::Duration;

/// Seeds that a case is played with, unless told otherwise. A run of 10,000 hosts takes minutes.
const SEEDS: usize = 3;
/// Hosts of the quick form, at most.
const QUICK_HOSTS_MAX: u32 = 300;
/// Seconds that one piece takes to one host, as a rule, and how many times as long it may take.
const SECONDS_A_PIECE: f64 = 5e-6;
const MOST_OVER_LIKELY: f64 = 5.0;

fn main() -> ExitCode {
    let bench = Bench {
        name: "swarm-sim",
        cases: include_str!("../cases"),
        estimate,
    };
    match std::env::args().nth(1).as_deref() {
        Some(play::FLAG) => play::play(),
        _ => bench.run(measure),
    }
}

/// The case, and how many seeds play it: each region has one of its own, so regions are runs too.
fn case(plan: &Plan, name: &str) -> anyhow::Result<(Case, usize)> {
    let mut case = named(name).with_context(|| format!("the simulator knows no case {name}"))?;
    if plan.quick {
        case.hosts = case.hosts.min(QUICK_HOSTS_MAX);
        case.regions = 1;
    }
    let seeds = plan.runs_or(SEEDS).max(case.regions as usize);
    Ok((case, seeds))
}

fn of_one_seed(case: &Case) -> Estimate {
    let likely = 1.0 + f64::from(case.hosts) * f64::from(case.pieces()) * SECONDS_A_PIECE;
    Estimate {
        likely: Duration::from_secs_f64(likely),
        most: Duration::from_secs_f64(likely * MOST_OVER_LIKELY),
    }
}

fn estimate(plan: &Plan, name: &str) -> anyhow::Result<Estimate> {
    let (case, seeds) = case(plan, name)?;
    // A moment more, so that the seed that is cut off says so itself.
    Ok(of_one_seed(&case) * (seeds + 1))
}

async fn measure(plan: &Plan, name: &str) -> anyhow::Result<()> {
    let (case, seeds) = case(plan, name)?;
    let mut ours = Runs::of("starling");
    for seed in 1..=seeds as u64 {
        let case = Case { seed, ..case.clone() };
        let played = play::run(&case, of_one_seed(&case).most).await?;
        let report = &played.report;
        eprintln!(
            "  seed {seed}: p50 {:.3}, p99 {:.3}, max {:.3} of {:.1} s",
            report.p50_over_bound, report.p99_over_bound, report.max_over_bound, report.bound_s
        );
        ours.runs.push(played);
    }
    emit(plan, name, &case, &[ours])
}

fn emit(plan: &Plan, name: &str, case: &Case, sides: &[Runs<&str, Played>]) -> anyhow::Result<()> {
    let report = Report::new(plan, name, sides)?.note(format!("{} hosts, {} bytes", case.hosts, case.bytes));
    let of_bound = |metric: &str, figure: fn(&Played) -> f64| report.line(metric, "ratio", figure);
    of_bound("p50_over_bound", |it| it.report.p50_over_bound).emit()?;
    of_bound("p99_over_bound", |it| it.report.p99_over_bound)
        .against("goal", goal(name), Better::Lower)
        .emit()?;
    of_bound("max_over_bound", |it| it.report.max_over_bound)
        .against("goal", goal(name), Better::Lower)
        .emit()?;
    report.line("max_s", "s", |it| it.report.max_s).emit()?;
    report
        .line("store_reads", "copies", |it| it.report.store_reads)
        .emit()?;
    report
        .line("peak_rss_mb", "MB", |it| it.peak_rss_bytes as f64 / MB)
        .emit()?;
    report.line("simulated_in", "s", |it| it.seconds).emit()
}

/// The multiple of the bound that the last host is to stay within; of the rough case, all but one in a hundred.
fn goal(name: &str) -> f64 {
    if name == "rough" { 1.25 } else { 1.10 }
}
