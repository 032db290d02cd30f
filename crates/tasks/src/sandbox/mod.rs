//! A build's process: cut off from the machine, bounded in time and in what it uses, and gone without a
//! trace afterwards.
//!
//! Promises of [`Sandbox::run`], whichever way it ends (the program ended, its time was up, `stop` was
//! cancelled, or the future was dropped):
//!
//! - In [`Isolation::Bubblewrap`] no process of the build is left, however it forked: all of them live in
//!   a PID namespace whose first process dies with ours, even by SIGKILL.
//! - In [`Isolation::ProcessGroup`] the process group is killed. A process that left its group (`setsid`)
//!   survives unless there are control groups: this mode is for machines without namespaces and for builds
//!   that are trusted.
//! - All of its processes together keep [`Command::limits`]. Control groups hold memory, processors and
//!   processes where this process may make some; else memory and processes are counted ten times a second,
//!   and nothing holds the processors. What is on the disk is counted in any case. A build that breaks a limit
//!   is killed, and [`Exit::Exceeded`] says which.

mod bubblewrap;
mod census;
pub(crate) mod cgroup;
mod disk;
pub(crate) mod entry;
mod exceeded;
mod keeper;
mod watch;

pub use cgroup::{Cgroups, Controller};
pub use disk::{bytes_in, free_bytes};
pub use exceeded::Exceeded;

use crate::Error;
use bytes::{BufMut, Bytes, BytesMut};
use cgroup::Group;
use keeper::{Keeper, Prepared};
use model::ByteSize;
use model::limits::Limits;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use watch::Watch;

/// The largest chunk of output that is handed on at once, in bytes.
pub const OUTPUT_CHUNK_LENGTH_MAX: usize = 64 * 1024;
/// How long the output is still read after the process ended. Only a process that escaped can hold it
/// open that long.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Names the folder of a build's caches to it.
const CACHES_VARIABLE: &str = "STARLING_CACHES";

/// What builds run in.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// How they are kept apart from the machine.
    pub isolation: Isolation,
    /// Where their limits are held by the kernel; without, they are watched.
    pub cgroups: Option<Cgroups>,
    /// What is to stay free of the disk that they write to. A build is stopped, through no fault of its own,
    /// when less is left.
    pub disk_reserve: ByteSize,
}

/// How builds are kept apart from the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
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
    /// All of its variables, besides `HOME`, `TMPDIR` and `STARLING_CACHES`, which the sandbox sets.
    pub environment: BTreeMap<String, String>,
    /// The one folder that it may change for good: the checkout.
    pub writable: PathBuf,
    /// Another folder that it may change for good, whose path the variable `STARLING_CACHES` names.
    pub caches: Option<PathBuf>,
    /// The folder below `writable` to run in, `""` for `writable` itself.
    pub cwd: String,
    /// An existing folder that holds its home and temporary files; the caller removes it afterwards.
    pub scratch: PathBuf,
    /// Whether it may use the machine's network; without, only a loopback of its own.
    pub network: bool,
    /// After this long it is killed.
    pub timeout: Duration,
    /// What all of its processes together may use.
    pub limits: Limits,
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
    /// Killed because it broke this limit.
    Exceeded(Exceeded),
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
            Self::Exceeded(limit) => write!(formatter, "{limit}, and was killed"),
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
        let watch = self.watch(command).await?;
        let (isolation, prepared, watched) = (self.isolation.clone(), command.clone(), watch.clone());
        let mut keeper = Keeper::start(command.program.clone(), move || {
            let mut start = isolation.prepare(&prepared, &watched)?;
            start.command.stdout(Stdio::from(writer.try_clone()?));
            start.command.stderr(Stdio::from(writer));
            Ok(start)
        })
        .await?;
        let mut pump = AbortOnDropHandle::new(tokio::spawn(pump(reader, output)));
        let leader = keeper.leader()?;

        let ended = tokio::select! {
            status = keeper.ended() => status.map(Exit::from),
            () = stop.cancelled() => Ok(Exit::Cancelled),
            () = tokio::time::sleep(command.timeout) => Ok(Exit::TimedOut),
            exceeded = watch.until_exceeded(leader) => exceeded.map(Exit::Exceeded),
        };
        keeper.kill();
        keeper.ended().await?;
        let exit = match ended? {
            by_itself @ (Exit::Code(_) | Exit::Signal(_)) => watch.explain(by_itself).await?,
            told => told,
        };
        remove_group(watch).await;
        if tokio::time::timeout(DRAIN_MAX, &mut pump).await.is_err() {
            tracing::warn!(
                process.id = keeper.pid(),
                "a process left its group and still holds the output"
            );
        }
        Ok(exit)
    }

    /// Makes what holds and watches the command's limits.
    async fn watch(&self, command: &Command) -> Result<Arc<Watch>, Error> {
        let (cgroups, limits) = (self.cgroups.clone(), command.limits);
        let made =
            tokio::task::spawn_blocking(move || cgroups.map(|groups| groups.make(&limits)).transpose());
        let group = made.await.map_err(|_| Error::Lost)?.map_err(Error::Limits)?;
        Ok(Arc::new(Watch {
            limits,
            group,
            folders: [&command.writable, &command.scratch]
                .into_iter()
                .chain(&command.caches)
                .cloned()
                .collect(),
            disk_reserve: self.disk_reserve,
        }))
    }

    /// Runs nothing in the sandbox, to learn early and clearly whether it works on this machine.
    pub async fn check(&self, writable: PathBuf, scratch: PathBuf) -> Result<(), Error> {
        let command = Command {
            program: "/bin/true".to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            writable,
            caches: None,
            cwd: String::new(),
            scratch,
            network: false,
            timeout: Duration::from_secs(30),
            limits: Limits::USUAL,
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
}

impl Isolation {
    /// What starts `command` in here. Blocks.
    fn prepare(&self, command: &Command, watch: &Watch) -> std::io::Result<Prepared> {
        for folder in ["home", "tmp"] {
            fs_err::create_dir_all(command.scratch.join(folder))?;
        }
        let (limits, group) = (&command.limits, watch.group.as_ref());
        match self {
            Self::Bubblewrap { read_only } => {
                let mut process = entry::with_input(limits, group, bubblewrap::wrapped(command));
                process.stdin(Stdio::piped());
                Ok(Prepared {
                    command: process,
                    input: bubblewrap::input(command, read_only)?,
                })
            }
            Self::ProcessGroup => {
                let program = std::iter::once(&command.program).chain(&command.arguments);
                let mut process = entry::plain(limits, group, program.map(OsString::from).collect());
                process
                    .stdin(Stdio::null())
                    .env_clear()
                    .envs(&command.environment)
                    .env("HOME", command.scratch.join("home"))
                    .env("TMPDIR", command.scratch.join("tmp"))
                    .envs(command.caches.iter().map(|caches| (CACHES_VARIABLE, caches)))
                    .current_dir(command.writable.join(&command.cwd));
                Ok(Prepared {
                    command: process,
                    input: Vec::new(),
                })
            }
        }
    }
}

/// Kills and removes what the build left in its control group, if it has one. A failure is logged only: what
/// stays is removed at the worker's next start.
async fn remove_group(watch: Arc<Watch>) {
    let removed = tokio::task::spawn_blocking(move || watch.group.as_ref().map_or(Ok(()), Group::remove));
    if let Err(error) = removed.await.map_err(std::io::Error::from).flatten() {
        tracing::warn!(%error, "a build's control group could not be removed");
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
