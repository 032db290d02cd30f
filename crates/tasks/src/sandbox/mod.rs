//! A build's process: cut off from the machine, bounded in time, and gone without a trace afterwards.
//!
//! Promises of [`Sandbox::run`], whichever way it ends (the program ended, its time was up, `stop` was
//! cancelled, or the future was dropped):
//!
//! - In [`Sandbox::Bubblewrap`] no process of the build is left, however it forked: all of them live in
//!   a PID namespace whose first process dies with ours, even by SIGKILL.
//! - In [`Sandbox::ProcessGroup`] the process group is killed. A process that left its group (`setsid`)
//!   survives: this mode is for machines without namespaces and for builds that are trusted.

mod bubblewrap;
mod keeper;

use crate::Error;
use bytes::{BufMut, Bytes, BytesMut};
use keeper::Keeper;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The largest chunk of output that is handed on at once, in bytes.
pub const OUTPUT_CHUNK_LENGTH_MAX: usize = 64 * 1024;
/// How long the output is still read after the process ended. Only a process that escaped can hold it
/// open that long.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How builds are kept apart from the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandbox {
    /// Namespaces for users, mounts, processes, IPC, host name and network, by `bwrap`.
    Bubblewrap {
        /// Folders and files that builds may read besides the system's own, at the same path inside:
        /// the toolchains. Nothing in them may be secret.
        read_only: Vec<PathBuf>,
    },
    /// A process group and a clean environment, no more.
    ProcessGroup,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// Looked up in `PATH` of `environment`, or relative to `cwd` where it holds a `/`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its variables, besides `HOME` and `TMPDIR`, which the sandbox sets.
    pub environment: BTreeMap<String, String>,
    /// The one folder that it may change for good: the checkout.
    pub writable: PathBuf,
    /// The folder below `writable` to run in, `""` for `writable` itself.
    pub cwd: String,
    /// An existing folder that holds its home and temporary files; the caller removes it afterwards.
    pub scratch: PathBuf,
    /// Whether it may use the machine's network; without, only a loopback of its own.
    pub network: bool,
    /// After this long it is killed.
    pub timeout: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself. `bwrap` reports a death by signal N as 128 + N, as shells do.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// Killed after its timeout.
    TimedOut,
    /// Killed because `stop` was cancelled.
    Cancelled,
}

impl Exit {
    /// Whether the program says that it did its work.
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "ended with exit code {code}"),
            Self::Signal(signal) => write!(formatter, "was killed by signal {signal}"),
            Self::TimedOut => formatter.write_str("took longer than its timeout and was killed"),
            Self::Cancelled => formatter.write_str("was stopped"),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        // On Unix a process that ended did so by a code or by a signal.
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl Sandbox {
    /// Runs a command to its end. What it prints, on standard output and standard error alike, goes to
    /// `output` in order; a slow reader slows the command down, and costs no memory. Its standard input
    /// is empty.
    ///
    /// An error means that nothing was run or that the machine failed; never that the build did.
    pub async fn run(
        &self,
        command: &Command,
        output: mpsc::Sender<Bytes>,
        stop: &CancellationToken,
    ) -> Result<Exit, Error> {
        let start_error = |source| Error::Start {
            program: command.program.clone(),
            source,
        };
        let (reader, writer) = std::io::pipe().map_err(start_error)?;
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(start_error)?;
        let (sandbox, prepared) = (self.clone(), command.clone());
        let mut keeper = Keeper::start(command.program.clone(), move || {
            let mut process = sandbox.process(&prepared)?;
            process.stdin(Stdio::null());
            process.stdout(Stdio::from(writer.try_clone()?));
            process.stderr(Stdio::from(writer));
            Ok(process)
        })
        .await?;
        let mut pump = AbortOnDropHandle::new(tokio::spawn(pump(reader, output)));

        let exit = tokio::select! {
            status = keeper.ended() => Exit::from(status?),
            () = stop.cancelled() => Exit::Cancelled,
            () = tokio::time::sleep(command.timeout) => Exit::TimedOut,
        };
        keeper.kill();
        keeper.ended().await?;
        if tokio::time::timeout(DRAIN_MAX, &mut pump).await.is_err() {
            tracing::warn!(
                process.id = keeper.pid(),
                "a process left its group and still holds the output"
            );
        }
        Ok(exit)
    }

    /// Runs nothing in the sandbox, to learn early and clearly whether it works on this machine.
    pub async fn check(&self, writable: PathBuf, scratch: PathBuf) -> Result<(), Error> {
        let command = Command {
            program: "/bin/true".to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            writable,
            cwd: String::new(),
            scratch,
            network: false,
            timeout: Duration::from_secs(30),
        };
        let (sender, mut said) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let (exit, words) = tokio::join!(self.run(&command, sender, &stop), async {
            let mut words = BytesMut::new();
            while let Some(bytes) = said.recv().await {
                words.extend_from_slice(&bytes[..bytes.len().min(4096 - words.len().min(4096))]);
            }
            words
        });
        match exit? {
            Exit::Code(0) => Ok(()),
            exit => Err(Error::Sandbox(format!(
                "it {exit}: {}",
                String::from_utf8_lossy(&words).trim()
            ))),
        }
    }

    fn process(&self, command: &Command) -> std::io::Result<std::process::Command> {
        for folder in ["home", "tmp"] {
            fs_err::create_dir_all(command.scratch.join(folder))?;
        }
        match self {
            Self::Bubblewrap { read_only } => bubblewrap::process(command, read_only),
            Self::ProcessGroup => {
                let mut process = std::process::Command::new(&command.program);
                process
                    .args(&command.arguments)
                    .env_clear()
                    .envs(&command.environment)
                    .env("HOME", command.scratch.join("home"))
                    .env("TMPDIR", command.scratch.join("tmp"))
                    .current_dir(command.writable.join(&command.cwd));
                Ok(process)
            }
        }
    }
}

/// Reads until every process that holds the writing end is gone, or nobody listens.
async fn pump(mut reader: pipe::Receiver, output: mpsc::Sender<Bytes>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(OUTPUT_CHUNK_LENGTH_MAX);
        match reader
            .read_buf(&mut (&mut buffer).limit(OUTPUT_CHUNK_LENGTH_MAX))
            .await
        {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "failed to read a build's output");
                return;
            }
        }
        if output.send(buffer.split().freeze()).await.is_err() {
            return;
        }
    }
}
