//! A child process that never outlives its parent and writes its output to a file.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// How much of a log an error quotes, in lines.
const TAIL_LINES: usize = 12;

/// The signal that the kernel sends to a child when its parent is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentDeath {
    /// SIGTERM: the child ends in an orderly way.
    Terminate,
    /// SIGINT: Postgres' fast shutdown.
    Interrupt,
    /// SIGKILL: for programs that would linger.
    Kill,
}

impl ParentDeath {
    const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
        }
    }
}

/// A running child process.
#[derive(Debug)]
pub struct Child {
    program: String,
    log: PathBuf,
    process: tokio::process::Child,
}

impl Child {
    /// Starts `program` through `setpriv --pdeathsig`, which ties it to this process without unsafe
    /// code of ours. `privileges` are further options of setpriv. Output is appended to `log`.
    pub fn start<I, S>(
        program: &Path,
        arguments: I,
        privileges: &[String],
        on_parent_death: ParentDeath,
        log: &Path,
    ) -> Result<Self, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)?
            .into_file();
        let name = program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy()
            .into_owned();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", on_parent_death.name()])
            .args(privileges)
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A group of its own: Ctrl-C in a terminal reaches the parent, which stops children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::Start {
                program: name.clone(),
                source,
            })?;
        Ok(Self {
            program: name,
            log: log.to_owned(),
            process,
        })
    }

    /// The process id, until the child was waited for.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until the child ends.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// An error that quotes its log once the child has ended, however it did.
    pub fn still_runs(&mut self) -> Result<(), Error> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Error::Ended {
                program: self.program.clone(),
                status: status.to_string(),
                log: self.log.clone(),
                tail: self.tail(),
            }),
        }
    }

    /// The last lines of what it said.
    pub fn tail(&self) -> String {
        let text = fs_err::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Asks `ready` every few milliseconds until it says yes; an error when the child ends first or
    /// `limit` passes.
    pub async fn wait_until<F, R>(&mut self, limit: Duration, mut ready: F) -> Result<(), Error>
    where
        F: FnMut() -> R,
        R: Future<Output = bool>,
    {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            self.still_runs()?;
            if ready().await {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Error::NotReady {
                    program: self.program.clone(),
                    seconds: limit.as_secs(),
                    log: self.log.clone(),
                    tail: self.tail(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal; nothing when the child has ended already.
    pub fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::debug!(program = self.program, %error, "the signal found no process");
        }
    }

    /// Kills the child and waits until it is gone.
    pub async fn kill(mut self) -> Result<(), Error> {
        Ok(self.process.kill().await?)
    }

    /// Asks the child to end with `signal`, waits at most `grace`, then kills it.
    pub async fn stop(mut self, signal: Signal, grace: Duration) -> Result<(), Error> {
        self.signal(signal);
        if tokio::time::timeout(grace, self.process.wait()).await.is_err() {
            tracing::warn!(program = self.program, "did not stop in time and is killed");
            return self.kill().await;
        }
        Ok(())
    }
}
