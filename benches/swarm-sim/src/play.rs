//! One simulation in a process of its own, so that its memory is its own and it can be cut off.

use anyhow::{Context as _, ensure};
use bench_harness::Meter;
use serde::{Deserialize, Serialize};
use simulator::{Case, Report};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The first argument of such a process. It reads its case on stdin and writes [`Played`] to stdout, as JSON.
pub const FLAG: &str = "--play";

/// Lets the system give its memory in large pages, so that less time goes into finding where a page lies. Only glibc
/// knows it; others and a system without such pages do as before.
const LARGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

/// What a simulation showed, and what it took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Played {
    pub report: Report,
    pub seconds: f64,
    pub peak_rss_bytes: u64,
}

/// Lets another process play a case. It is killed after `limit`, when this is dropped, and when this process is gone.
pub async fn run(case: &Case, limit: Duration) -> anyhow::Result<Played> {
    let mut player = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(std::env::current_exe()?)
        .arg(FLAG)
        .env(LARGE_PAGES.0, LARGE_PAGES.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("failed to start setpriv (Debian package util-linux)")?;
    let mut orders = player.stdin.take().context("stdin is a pipe")?;
    orders.write_all(&serde_json::to_vec(case)?).await?;
    drop(orders);
    let output = tokio::time::timeout(limit, player.wait_with_output())
        .await
        .with_context(|| {
            format!(
                "seed {} was cut off after {:.0} s",
                case.seed,
                limit.as_secs_f64()
            )
        })??;
    ensure!(
        output.status.success(),
        "seed {} was not played: {}",
        case.seed,
        output.status
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The other process.
pub fn play() -> ExitCode {
    let played = || -> anyhow::Result<()> {
        let case: Case = serde_json::from_reader(std::io::stdin())?;
        let meter = Meter::begin([std::process::id()]);
        let report = simulator::run(&case)?;
        let spent = meter.end();
        let played = Played {
            report,
            seconds: spent.seconds,
            peak_rss_bytes: spent.peak_rss_bytes.iter().sum(),
        };
        Ok(serde_json::to_writer(std::io::stdout(), &played)?)
    };
    match played() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
