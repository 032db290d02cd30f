//! The first moment of a build's process: it joins its control groups before anything of the build runs.
//!
//! A few lines of shell do this in the process itself. From outside it could only be done a moment after
//! the start, when the process may have children already; and between a fork and the program's start our own
//! code may not do it without `unsafe`. The lines are fixed, and get paths as arguments, never as text.

use super::cgroup::{Controller, Group};
use model::limits::Limits;
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

/// Joins the groups of the arguments before `--`, and makes the build what the kernel kills first when the
/// machine is out of memory; not the worker.
const JOIN: &str = "set -e; echo 500 > /proc/self/oom_score_adj; \
    while [ \"$1\" != -- ]; do echo 0 > \"$1\"; shift; done; shift; ";

/// The command that becomes `wrapped` in its groups, with nothing but [`INPUT_FD`] from outside. The process
/// gets no variable at all: `LD_PRELOAD` of a build would otherwise load the build's library out here.
pub(super) fn with_input(limits: &Limits, group: Option<&Group>, wrapped: Vec<OsString>) -> Command {
    let become_it = format!("exec \"$@\" {INPUT_FD}<&0 </dev/null");
    let mut command = shell(&become_it, group);
    command.env_clear().arg(PRLIMIT).args(rlimits(limits, group));
    command.args(wrapped);
    command
}

/// The command that becomes `wrapped` in its groups.
pub(super) fn plain(limits: &Limits, group: Option<&Group>, wrapped: Vec<OsString>) -> Command {
    let mut command = shell("exec \"$@\"", group);
    command.arg(PRLIMIT).args(rlimits(limits, group)).args(wrapped);
    command
}

fn shell(become_it: &str, group: Option<&Group>) -> Command {
    let doors: Vec<PathBuf> = group.map(Group::doors).unwrap_or_default();
    let mut command = Command::new(SHELL);
    command.arg("-c").arg(format!("{JOIN}{become_it}")).arg(SHELL);
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
