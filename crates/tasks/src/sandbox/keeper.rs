//! The thread that starts a build's process and stays with it.
//!
//! Why a thread of its own: the kernel's "die with the parent" means the *thread* that started the
//! process, and a thread of the async runtime may end long before the build does.

use crate::Error;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use tokio::sync::oneshot;

/// One running process and its group. Dropping it kills them.
pub(super) struct Keeper {
    started: Started,
    end: End,
}

enum End {
    Awaited(oneshot::Receiver<io::Result<ExitStatus>>),
    Known(ExitStatus),
}

struct Started {
    pid: u32,
    leader: OwnedFd,
}

impl Started {
    /// A sandbox's first process inside has a session of its own, and dies with the leader only once it has asked the
    /// kernel for that; so it is killed first, and the leader is stopped before, from when on it starts nobody.
    fn kill(&self) {
        if pidfd_send_signal(&self.leader, Signal::STOP).is_ok() {
            for child in children(self.pid) {
                let _ = kill_process(child, Signal::KILL);
            }
        }
        let _ = pidfd_send_signal(&self.leader, Signal::KILL);
    }
}

/// The children of a process that has one thread (proc_pid_task(5)); none once it has ended.
fn children(pid: u32) -> Vec<Pid> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = listed.split_whitespace().filter_map(|child| child.parse().ok());
    children.filter_map(Pid::from_raw).collect()
}

/// What is to be started.
pub(super) struct Prepared {
    pub(super) command: Command,
    /// What it reads from its standard input before it begins; nothing, where that is something else.
    pub(super) input: Vec<u8>,
}

impl Keeper {
    /// Starts what `prepare` makes, as the leader of a process group of its own. `prepare` may block.
    pub(super) async fn start(
        program: String,
        prepare: impl FnOnce() -> io::Result<Prepared> + Send + 'static,
    ) -> Result<Self, Error> {
        let (started_sender, started) = oneshot::channel();
        let (end_sender, end) = oneshot::channel();
        let start_error = |source| Error::Start { program, source };
        // The thread ends when the process does, and the process when this value does.
        let thread = std::thread::Builder::new().name("sandbox".to_owned());
        let spawned = thread.spawn(move || match prepare().and_then(start_process) {
            Err(error) => {
                let _ = started_sender.send(Err(error));
            }
            Ok((mut child, input, started)) => {
                // If nobody waits any more, the leader's handle is closed unused: kill at once.
                if let Err(Ok(started)) = started_sender.send(Ok(started)) {
                    started.kill();
                }
                hand_over(&mut child, &input);
                let _ = end_sender.send(see_to_the_end(child));
            }
        });
        if let Err(error) = spawned {
            return Err(start_error(error));
        }
        let started = started.await.map_err(|_| Error::Lost)?.map_err(start_error)?;
        let end = End::Awaited(end);
        Ok(Self { started, end })
    }

    pub(super) fn pid(&self) -> u32 {
        self.started.pid
    }

    /// The same, as the system's calls want it.
    pub(super) fn leader(&self) -> Result<Pid, Error> {
        Pid::from_raw(self.started.pid.cast_signed()).ok_or(Error::Lost)
    }

    /// Kills the leader and its children; the thread then kills what is left of its group. Harmless once it has ended:
    /// the handle names this process and no later one of the same number.
    pub(super) fn kill(&self) {
        self.started.kill();
    }

    /// Waits for the end. May be called again, and dropped half-way.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, Error> {
        let status = match &mut self.end {
            End::Known(status) => return Ok(*status),
            End::Awaited(end) => end.await.map_err(|_| Error::Lost)?,
        };
        let status = status.map_err(|source| Error::Watch {
            pid: self.started.pid,
            source,
        })?;
        self.end = End::Known(status);
        Ok(status)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start_process(mut prepared: Prepared) -> io::Result<(Child, Vec<u8>, Started)> {
    let mut child = prepared.command.process_group(0).spawn()?;
    // Not yet waited for, so the number still names this process.
    let pid = child.id();
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(leader) => Ok((child, prepared.input, Started { pid, leader })),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error.into())
        }
    }
}

/// Blocks until the process has read it, or has ended, which then says more than this error could.
fn hand_over(child: &mut Child, input: &[u8]) {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input);
    }
}

/// Waits for the leader, kills what it leaves behind in its group, and only then lets go of its number.
fn see_to_the_end(mut child: Child) -> io::Result<ExitStatus> {
    let group = Pid::from_child(&child);
    while let Err(error) = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    // ESRCH is the usual answer: nothing was left.
    let _ = kill_process_group(group, Signal::KILL);
    child.wait()
}
