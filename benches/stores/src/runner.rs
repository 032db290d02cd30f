//! Running a process to its end, and what it used.

use anyhow::{Context as _, ensure};
use bench_harness::{Meter, Spent};
use local_services::{Child, ParentDeath};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is run: a program, its arguments, and variables of its environment.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program.
    pub program: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
    /// What it finds in its environment besides ours, as `NAME=VALUE`.
    pub environment: Vec<String>,
}

/// Runs commands and keeps what they say.
#[derive(Debug)]
pub struct Runner<'a> {
    /// Where their output goes, a file that each appends to.
    pub log: &'a Path,
    /// How long each may take.
    pub limit: Duration,
}

impl Runner<'_> {
    /// Runs a command until it ends with success; what it used, and beside it the processes `others`, in this order.
    ///
    /// # Errors
    /// When it does not start, fails, or takes too long.
    pub async fn run(
        &self,
        command: Command,
        others: impl IntoIterator<Item = u32>,
    ) -> anyhow::Result<Spent> {
        let mut meter = Meter::begin([]);
        // `env` becomes the program, so the process id is that of the program.
        let program = command.program.to_string_lossy().into_owned();
        let arguments = command
            .environment
            .into_iter()
            .chain([program])
            .chain(command.arguments);
        let mut child = Child::start(
            Path::new("/usr/bin/env"),
            arguments,
            &[],
            ParentDeath::Kill,
            self.log,
        )?;
        let id = child.id().context("a process that began has an id")?;
        meter.add(id);
        for other in others {
            meter.watch(other);
        }
        // It is looked at once more between its end and the wait that lets go of it.
        let race = meter.race(1, self.limit, |_| has_ended(id)).await?;
        let status = child.wait().await?;
        ensure!(
            status.success(),
            "it ended with {status} and said:\n{}",
            child.tail()
        );
        Ok(race.spent)
    }
}

/// Whether a child has ended, without letting go of it.
fn has_ended(id: u32) -> anyhow::Result<bool> {
    let pid = Pid::from_raw(id.cast_signed()).context("a process id is not zero")?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// Bytes that a process has read of files so far, whether or not they were in memory (proc_pid_io(5), `rchar`).
///
/// # Errors
/// When it has ended.
pub fn bytes_read(process: u32) -> anyhow::Result<u64> {
    let text = fs_err::read_to_string(format!("/proc/{process}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("rchar:"));
    Ok(line
        .context("the system counts what processes read")?
        .trim()
        .parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            program: "sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec!["WORD=murmuration".to_owned()],
        }
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_with_its_last_words() {
        let log = std::env::temp_dir().join(format!("starling-runner-{}", std::process::id()));
        let runner = Runner {
            log: &log,
            limit: Duration::from_secs(60),
        };
        // Long enough to be looked at while it runs: one that has ended has no memory any more.
        let spent = runner
            .run(shell("i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"), [])
            .await;
        let spent = spent.unwrap();
        assert!(spent.cpu_seconds > 0.0 && spent.peak_rss_bytes[0] > 0);
        let failed = runner
            .run(shell("echo $WORD; exit 3"), [])
            .await
            .unwrap_err()
            .to_string();
        fs_err::remove_file(&log).unwrap();
        assert!(failed.contains("3") && failed.contains("murmuration"), "{failed}");
    }

    #[test]
    fn what_a_process_reads_is_counted() {
        let before = bytes_read(std::process::id()).unwrap();
        let file = std::fs::read("/proc/self/exe").unwrap();
        assert!(bytes_read(std::process::id()).unwrap() - before >= file.len() as u64);
    }
}
