//! The whole `main` of a bench.

use crate::arguments::{Arguments, plan};
use crate::estimate::{Estimate, Timed, schedule};
use crate::{Line, Plan};
use anyhow::{anyhow, bail, ensure};
use clap::Parser as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// A bench: what it is called, and what it can do.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// Its name, as in `scripts/bench NAME`.
    pub name: &'static str,
    /// The text of its file `cases`.
    pub cases: &'static str,
    /// How long a case takes; asked of every case before the first begins.
    pub estimate: fn(&Plan, &str) -> anyhow::Result<Estimate>,
}

impl Bench {
    /// Reads the arguments, says on which machine it runs and how long it will take, and measures one case after the
    /// other, on one thread. A case that fails or takes too long gives a line that says so, and the next one begins.
    ///
    /// SIGINT and SIGTERM drop what is measured, so whatever the bench started or wrote must end with its owner.
    pub fn run(self, measure: impl AsyncFn(&Plan, &str) -> anyhow::Result<()>) -> ExitCode {
        let asked = plan(self.name, self.cases, Arguments::parse())
            .and_then(|plan| Ok((schedule(&plan, self.estimate)?, plan)));
        let ((cases, left_out), plan) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::from(2);
            }
        };
        let all: Estimate = cases.iter().map(|(_, estimate)| *estimate).sum();
        eprintln!("{} on {}: {all}", self.name, crate::machine());
        if !left_out.is_empty() {
            eprintln!(
                "  left out of the quick form, unless named: {}",
                left_out.join(", ")
            );
        }
        match run(&plan, &cases, measure) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

fn run(
    plan: &Plan,
    cases: &[Timed],
    measure: impl AsyncFn(&Plan, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // One thread, so that a bench can move itself and all that it starts into a network namespace.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            measured = Box::pin(each(plan, cases, measure)) => measured,
            told = told_to_end() => {
                told?;
                bail!("interrupted; everything that was started is ended")
            }
        }
    })
}

async fn told_to_end() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn each(
    plan: &Plan,
    cases: &[Timed],
    measure: impl AsyncFn(&Plan, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (case, estimate) in cases {
        eprintln!("{case}: {estimate}");
        let measuring = Box::pin(measure(plan, case));
        let measured = tokio::time::timeout(estimate.most, measuring)
            .await
            .unwrap_or_else(|_| Err(anyhow!("cut off after {:.0} s", estimate.most.as_secs_f64())));
        if let Err(error) = measured {
            Line::failed(plan.bench, case, None, &format!("{error:#}")).emit()?;
            failed.push(*case);
        }
    }
    ensure!(failed.is_empty(), "could not be measured: {}", failed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Duration;

    #[test]
    fn a_case_that_fails_or_hangs_does_not_keep_the_next_from_being_measured() {
        let plan = Plan {
            bench: "b",
            cases: vec!["fails", "hangs", "works"],
            named: false,
            quick: false,
            runs: None,
        };
        let cases: Vec<Timed> = plan
            .cases
            .iter()
            .map(|case| {
                let most = Duration::from_millis(if *case == "hangs" { 1 } else { 60_000 });
                (*case, Estimate { likely: most, most })
            })
            .collect();
        let begun = Mutex::new(Vec::new());
        let ended = run(&plan, &cases, async |_, case| {
            begun.lock().unwrap().push(case.to_owned());
            match case {
                "fails" => bail!("no"),
                "hangs" => std::future::pending().await,
                _ => Ok(()),
            }
        });
        assert_eq!(
            ended.unwrap_err().to_string(),
            "could not be measured: fails, hangs"
        );
        assert_eq!(*begun.lock().unwrap(), plan.cases);
    }
}
