//! The first moment of a build's or a task's process: it joins its control groups before anything else of it runs.
//!
//! A few lines of shell do this in the process itself. From outside it could only be done a moment after
//! the start, when the process may have children already; and between a fork and the program's start our own
//! code may not do it without `unsafe`. The lines are fixed, and get paths as arguments, never as text.

use super::cgroup::{Controller, Group, Held};
use model::limits::Limits;
use model::service::TaskLimits;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Both by full path, as in `bubblewrap`.
const SHELL: &str = "/bin/sh";
const PRLIMIT: &str = "/usr/bin/prlimit";

/// Where the program behind [`with_input`] finds what was written to its standard input.
pub(super) const INPUT_FD: &str = "3";

/// What a process may map beyond the memory limit where that is only watched. Data that is mapped and not yet
/// used counts, so that the limit itself would refuse programs that never come near it; and nothing should
/// reach this between two looks of the watcher, which has the better words.
const DATA_SLACK_BYTES: u64 = 2 << 30;

/// Makes the build what the kernel kills first when the machine is out of memory; not the worker.
const FIRST_TO_GO: &str = "echo 500 > /proc/self/oom_score_adj; ";

/// Joins the groups of the arguments before `--`.
const JOIN: &str = "while [ \"$1\" != -- ]; do echo 0 > \"$1\"; shift; done; shift; ";

/// The command that becomes `wrapped` in its groups, with nothing but [`INPUT_FD`] from outside. The process
/// gets no variable at all: `LD_PRELOAD` of a build would otherwise load the build's library out here.
pub(super) fn with_input(limits: &Limits, group: Option<&Group>, wrapped: Vec<OsString>) -> Command {
    let become_it = format!("exec \"$@\" {INPUT_FD}<&0 </dev/null");
    let doors = group.map(Group::doors).unwrap_or_default();
    let mut command = shell(&format!("{FIRST_TO_GO}{JOIN}{become_it}"), doors);
    command.env_clear().arg(PRLIMIT).args(rlimits(limits, group));
    command.args(wrapped);
    command
}

/// The command that becomes `wrapped` in its groups.
pub(super) fn plain(limits: &Limits, group: Option<&Group>, wrapped: Vec<OsString>) -> Command {
    let doors = group.map(Group::doors).unwrap_or_default();
    let mut command = shell(&format!("{FIRST_TO_GO}{JOIN}exec \"$@\""), doors);
    command.arg(PRLIMIT).args(rlimits(limits, group)).args(wrapped);
    command
}

/// The command that becomes a task's program in its groups. What no group holds is held for each process by itself, as
/// far as that goes: memory by what it may map for data. Processes are counted for each user, so they can be held where
/// the task has an `own_user`, which it shares with the service's other task in a cut-over: there is room for both.
pub(crate) fn of_task(
    limits: &TaskLimits,
    group: Option<&Held>,
    own_user: bool,
    wrapped: Vec<OsString>,
) -> Command {
    let doors = group.map(Held::doors).unwrap_or_default();
    let mut command = shell(&format!("{JOIN}exec \"$@\""), doors);
    let held = |controller| group.is_some_and(|group| group.has(controller));
    let memory = limits.memory.filter(|_| !held(Controller::Memory));
    let processes = limits
        .processes
        .filter(|_| own_user && !held(Controller::Processes));
    let mut rlimits: Vec<String> = memory
        .iter()
        .map(|memory| format!("--data={}", memory.0))
        .collect();
    rlimits.extend(processes.map(|processes| format!("--nproc={}", u64::from(processes) * 2)));
    if !rlimits.is_empty() {
        command.arg(PRLIMIT).args(rlimits);
    }
    command.args(wrapped);
    command
}

fn shell(script: &str, doors: Vec<PathBuf>) -> Command {
    let mut command = Command::new(SHELL);
    command.arg("-c").arg(format!("set -e; {script}")).arg(SHELL);
    command.args(doors).arg("--");
    command
}

/// What each process is held to by itself. Coarse where a group holds all of them together; else it bounds
/// how far a process can get between two looks of the watcher.
fn rlimits(limits: &Limits, group: Option<&Group>) -> Vec<String> {
    let mut rlimits = vec!["--core=0:0".to_owned(), format!("--fsize={}", limits.disk.0)];
    if !group.is_some_and(|group| group.has(Controller::Memory)) {
        rlimits.push(format!(
            "--data={}",
            limits.memory.0.saturating_add(DATA_SLACK_BYTES)
        ));
    }
    rlimits
}
