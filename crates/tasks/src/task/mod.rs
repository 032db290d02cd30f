//! A service's process: started in a session of its own, so that it survives the agent, watched, and
//! stopped with everything in its process group.

pub mod isolation;
mod launch;
mod limits;
mod log;
mod record;

use crate::Error;
use crate::container::{self, ContainerRecord, ContainerSpec, Containers};
use crate::sandbox::Exceeded;
use isolation::{Isolation, View};
pub use launch::LaunchId;
pub use limits::TaskGroups;
pub use log::LogBytes;
use model::service::TaskLimits;
pub use record::{ProcessRecord, Record};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How often an adopted task is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// The working folder.
    pub folder: PathBuf,
    /// The program, relative to `folder`. Never looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its variables; nothing else reaches it.
    pub environment: BTreeMap<String, String>,
    /// Where its output goes.
    pub log: LogFile,
    /// What marks the process, so that it is found by who stored this before the start.
    pub launch: LaunchId,
    /// What keeps it apart.
    pub isolation: Isolation,
    /// What it sees where it has namespaces of its own.
    pub view: View,
    /// What all of its processes together may use.
    pub limits: TaskLimits,
    /// What holds that; without, each process is held to what can be said of it alone.
    pub groups: Option<TaskGroups>,
}

/// A task's log, of which the newest part is kept. The file seems longer than what it takes of the disk: its oldest part
/// is a hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The file.
    pub path: PathBuf,
    /// How much of it is kept, in bytes, give or take an eighth and what is written in a second.
    pub length_max: u64,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It was killed because it broke this limit.
    Exceeded(Exceeded),
    /// It is gone; how it ended is known only to the agent that started it, which is gone too.
    Unknown,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "ended with exit code {code}"),
            Self::Signal(signal) => write!(formatter, "was killed by signal {signal}"),
            Self::Exceeded(limit) => write!(formatter, "{limit}, and was killed"),
            Self::Unknown => formatter.write_str("ended while nobody watched"),
        }
    }
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

/// A running (or ended) task. Dropping it only stops watching: the process goes on, its log unbounded
/// until somebody adopts it.
#[derive(Debug)]
pub struct Task {
    record: Record,
    ended: watch::Receiver<Option<Ended>>,
    _watcher: AbortOnDropHandle<()>,
}

/// Starts a task. Store [`TaskSpec::launch`] durably before, and the [`record`](Task::record) right after: the first finds
/// a process that was started in between ([`Task::find`]), the second is the quick and certain way back to it.
pub async fn start(spec: TaskSpec) -> Result<Task, Error> {
    let program = spec.folder.join(&spec.program);
    let start_error = |source| Error::Start {
        program: program.display().to_string(),
        source,
    };
    let (spec, output) = prepare(spec).await?;
    let errors = output.try_clone().map_err(start_error)?;
    let group = limits::hold(&spec).await?;
    let mut command = limits::command(&spec, &program, group.as_ref());
    command.env_clear();
    if spec.isolation.is_empty() {
        command.envs(&spec.environment).stdin(Stdio::null());
    } else {
        command.stdin(isolation::variables(&spec.environment)?);
    }
    command
        .env(launch::VARIABLE, spec.launch.as_str())
        .current_dir(&spec.folder)
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors))
        .kill_on_drop(false);
    let mut command = process_wrap::tokio::CommandWrap::from(command);
    command.wrap(process_wrap::tokio::ProcessSession);
    let mut child = command.spawn().map_err(start_error)?;
    // Known until it is waited for, which is only done below.
    let pid = child.id().ok_or(Error::Lost)?;
    let record = ProcessRecord::of(pid, spec.log, group).map_err(|source| Error::Watch { pid, source })?;
    Ok(Task::watching_process(record, async move {
        match child.wait().await {
            Ok(status) => Ended::from(status),
            Err(error) => {
                tracing::warn!(process.id = pid, %error, "failed to wait for a task");
                Ended::Unknown
            }
        }
    }))
}

/// Starts a task that is a container. Store its mark and its record as of one that is a process ([`start`]).
pub async fn start_container(spec: ContainerSpec) -> Result<Task, Error> {
    let (folder, user) = (spec.folder.clone(), spec.user);
    let prepared = tokio::task::spawn_blocking(move || isolation::make_own(&folder, user));
    prepared.await.map_err(|_| Error::Lost)??;
    // Some ten kilobytes of the client's own, which no task that is a process should carry along.
    let record = Box::pin(container::start(&spec)).await?;
    Ok(Task::watching_container(record))
}

/// Makes a task's folders and opens its log, which is its user's too: programs open `/dev/stdout` again by its name.
async fn prepare(spec: TaskSpec) -> Result<(TaskSpec, File), Error> {
    let prepared = tokio::task::spawn_blocking(move || {
        isolation::prepare(&spec)?;
        let log = log::open(&spec.log, spec.isolation.user)?;
        Ok((spec, log))
    });
    prepared.await.map_err(|_| Error::Lost)?
}

impl Task {
    /// Finds a task again that an earlier life of the agent started; `None` when it is gone, even where
    /// its number was given to another process since. A container whose runtime does not answer may live.
    pub async fn adopt(record: Record) -> Result<Option<Self>, Error> {
        let record = match record {
            Record::Process(record) => record,
            Record::Container(record) => {
                let lives = Box::pin(container::may_live(&record)).await;
                return Ok(lives.then(|| Self::watching_container(record)));
            }
        };
        let watch_error = |source| Error::Watch {
            pid: record.pid(),
            source,
        };
        if !record.names_a_live_process().map_err(watch_error)? {
            return Ok(None);
        }
        let watched = record.clone();
        Ok(Some(Self::watching_process(record, gone(watched))))
    }

    /// Finds the process that was started with this mark and whose record was never stored. Blocks: it looks at every
    /// process of the machine. One that threw its mark away is not found.
    pub fn find(
        launch: &LaunchId,
        log: &LogFile,
        limits: &TaskLimits,
        groups: Option<&TaskGroups>,
    ) -> Result<Option<Record>, Error> {
        let group = groups.and_then(|groups| groups.find(launch, limits));
        let found = ProcessRecord::find(launch, log, group).map_err(Error::Find)?;
        Ok(found.map(Record::Process))
    }

    /// The same for a container.
    pub async fn find_container(
        containers: &Containers,
        launch: &LaunchId,
        log: &LogFile,
        limits: &TaskLimits,
    ) -> Result<Option<Record>, Error> {
        let found = Box::pin(container::find(containers, launch, log, limits)).await?;
        Ok(found.map(Record::Container))
    }

    fn watching_container(record: ContainerRecord) -> Self {
        Self::watching(Record::Container(record.clone()), container::watch(record))
    }

    fn watching_process(record: ProcessRecord, end: impl Future<Output = Ended> + Send + 'static) -> Self {
        let (pid, group) = (record.pid(), record.group().cloned());
        let end = async move {
            let how = end.await;
            // What it left behind would hold its port. Usually nothing is there.
            signal_group(pid, Signal::KILL);
            limits::explain(how, group).await
        };
        Self::watching(Record::Process(record), end)
    }

    fn watching(record: Record, end: impl Future<Output = Ended> + Send + 'static) -> Self {
        let (sender, ended) = watch::channel(None);
        let (pid, file) = (record.pid(), record.log().clone());
        let watcher = async move {
            let how = tokio::select! {
                how = end => how,
                () = log::keep_bounded(&file) => Ended::Unknown,
            };
            tracing::debug!(process.id = pid, "a task {how}");
            sender.send_replace(Some(how));
        };
        Self {
            record,
            ended,
            _watcher: AbortOnDropHandle::new(tokio::spawn(watcher)),
        }
    }

    /// What to store in order to find this task again.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        // The watcher says how before it ends; it is aborted only by dropping `self`.
        match ended.wait_for(Option::is_some).await {
            Ok(how) => how.unwrap_or(Ended::Unknown),
            Err(_) => Ended::Unknown,
        }
    }

    /// Asks its whole process group to end (SIGTERM), and kills what is left after `grace`; a container by the signal
    /// that its image names.
    pub async fn stop(&self, grace: Duration) -> Ended {
        if let Some(how) = self.ended() {
            return how;
        }
        if let Record::Container(container) = &self.record {
            Box::pin(container::stop(container, grace)).await;
            return self.wait().await;
        }
        signal_group(self.record.pid(), Signal::TERM);
        if let Ok(how) = tokio::time::timeout(grace, self.wait()).await {
            return how;
        }
        tracing::warn!(
            process.id = self.record.pid(),
            "a task did not stop in time and is killed"
        );
        signal_group(self.record.pid(), Signal::KILL);
        self.wait().await
    }
}

/// Looks again and again: the kernel tells the end of a process to its parent alone, and an adopted
/// task's parent is gone.
async fn gone(record: ProcessRecord) -> Ended {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match record.names_a_live_process() {
            Ok(true) => {}
            Ok(false) => return Ended::Unknown,
            Err(error) => {
                tracing::warn!(process.id = record.pid(), %error, "failed to look at a task");
            }
        }
    }
}

/// A group that is gone needs no signal.
pub(crate) fn signal_group(pid: u32, signal: Signal) {
    let Some(group) = Pid::from_raw(pid.cast_signed()) else {
        return;
    };
    if let Err(error) = kill_process_group(group, signal)
        && error != rustix::io::Errno::SRCH
    {
        let error = io::Error::from(error);
        tracing::warn!(process.id = pid, %error, "failed to signal a task");
    }
}
