//! Asking a task by a program of its release.

use super::{Target, Unhealthy};
use crate::task::{isolation, signal_group};
use rustix::process::Signal;
use std::ffi::OsString;
use std::process::Stdio;

/// Runs the check's program to its end. Dropping the future kills it with everything in its process group.
pub(super) async fn run(target: &Target, command: &[String]) -> Result<(), Unhealthy> {
    let not_started = |error: &dyn std::fmt::Display| Unhealthy::NotStarted(error.to_string());
    let (program, arguments) = command.split_first().ok_or(Unhealthy::NoProgram)?;
    let mut words = vec![target.artifact.join(program).into_os_string()];
    words.extend(arguments.iter().map(OsString::from));
    let apart = !target.isolation.is_empty();
    if apart {
        words = isolation::joined(target.isolation, target.process, &target.folder, words);
    }
    let mut command = tokio::process::Command::new(&words[0]);
    command.args(&words[1..]).env_clear();
    if apart {
        let variables = isolation::variables(&target.environment).map_err(|error| not_started(&error))?;
        command.stdin(variables);
    } else {
        command.envs(&target.environment).stdin(Stdio::null());
    }
    command
        .current_dir(&target.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn().map_err(|error| not_started(&error))?;
    let group = child.id().map(Group);
    let status = child.wait().await.map_err(|error| not_started(&error))?;
    drop(group);
    if status.success() {
        Ok(())
    } else {
        Err(Unhealthy::Ended(status.into()))
    }
}

/// A process group that ends with this value.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        signal_group(self.0, Signal::KILL);
    }
}
