//! Asking a task by a program of its release.

use super::{Target, Unhealthy};
use crate::task::signal_group;
use rustix::process::Signal;
use std::process::Stdio;

/// Runs the check's program to its end. Dropping the future kills it with everything in its process group.
pub(super) async fn run(target: &Target, command: &[String]) -> Result<(), Unhealthy> {
    let (program, arguments) = command.split_first().ok_or(Unhealthy::NoProgram)?;
    let mut command = tokio::process::Command::new(target.artifact.join(program));
    command
        .args(arguments)
        .env_clear()
        .envs(&target.environment)
        .current_dir(&target.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| Unhealthy::NotStarted(error.to_string()))?;
    let group = child.id().map(Group);
    let status = child
        .wait()
        .await
        .map_err(|error| Unhealthy::NotStarted(error.to_string()))?;
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
