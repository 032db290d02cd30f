//! Beside the house: how near the least possible time the swarm's rules come, on simulated networks.
//!
//! Plays the simulator's named cases by the very code that hosts run, each with several seeds, and prints their times as
//! multiples of the bound of Kumar & Ross. The quick form plays a tenth of the hosts with one seed.

use bench_harness::{Better, Line, Plan, Usage, median, run};
use simulator::{Case, Report, named};
use std::process::ExitCode;
use std::time::Instant;

/// Seeds that a case is played with, unless told otherwise. A run of 10,000 hosts takes minutes.
const SEEDS: usize = 3;
/// Hosts of the quick form, at most.
const QUICK_HOSTS_MAX: u32 = 300;

fn main() -> ExitCode {
    run("swarm-sim", include_str!("../cases"), measure)
}

fn measure(plan: &Plan) -> anyhow::Result<()> {
    for name in &plan.cases {
        let mut case = named(name).ok_or_else(|| anyhow::anyhow!("the simulator knows no case {name}"))?;
        if plan.quick {
            case.hosts = case.hosts.min(QUICK_HOSTS_MAX);
            case.regions = 1;
        }
        play(plan, name, &case)?;
    }
    Ok(())
}

fn play(plan: &Plan, name: &str, case: &Case) -> anyhow::Result<()> {
    // Each region has a seed of its own, so regions are runs too.
    let seeds = plan.runs_or(SEEDS).max(case.regions as usize);
    let mut reports = Vec::new();
    let began = Instant::now();
    for seed in 1..=seeds as u64 {
        let report = simulator::run(&Case { seed, ..case.clone() })?;
        eprintln!(
            "  {name}, seed {seed}: p50 {:.3}, p99 {:.3}, max {:.3} of {:.1} s",
            report.p50_over_bound, report.p99_over_bound, report.max_over_bound, report.bound_s
        );
        reports.push(report);
    }
    let took = began.elapsed().as_secs_f64() / seeds as f64;
    let scale = format!("{} hosts, {} bytes", case.hosts, case.bytes);
    let figure = |metric: &str, unit: &str, of: fn(&Report) -> f64| {
        let values: Vec<f64> = reports.iter().map(of).collect();
        Line::new(plan.bench, name, metric, (median(&values), unit), seeds).note(&scale)
    };
    figure("p50_over_bound", "ratio", |it| it.p50_over_bound).emit()?;
    figure("p99_over_bound", "ratio", |it| it.p99_over_bound)
        .against("goal", goal(name), Better::Lower)
        .emit()?;
    figure("max_over_bound", "ratio", |it| it.max_over_bound)
        .against("goal", goal(name), Better::Lower)
        .emit()?;
    figure("max_s", "s", |it| it.max_s).emit()?;
    figure("store_reads", "copies", |it| it.store_reads).emit()?;
    let own = |metric: &str, value: f64, unit: &str| {
        Line::new(plan.bench, name, metric, (value, unit), seeds)
            .note(&scale)
            .emit()
    };
    if let Some(usage) = Usage::of_process(std::process::id()) {
        own("peak_rss_mb", usage.peak_rss_bytes as f64 / 1e6, "MB")?;
    }
    own("simulated_in", took, "s")
}

/// The multiple of the bound that the last host is to stay within; of the rough case, all but one in a hundred.
fn goal(name: &str) -> f64 {
    if name == "rough" { 1.25 } else { 1.10 }
}
