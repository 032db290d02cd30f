//! What a task may use, from its first moment to its last.

use super::{Ended, LaunchId, TaskSpec, isolation};
use crate::Error;
use crate::sandbox::cgroup::Held;
use crate::sandbox::{Cgroups, Controller, Exceeded, entry};
use model::service::TaskLimits;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::process::Command;

/// The control groups of one agent's tasks, made when the first task has limits. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TaskGroups {
    name: Arc<str>,
    opened: Arc<OnceLock<Option<Cgroups>>>,
}

impl TaskGroups {
    /// Groups below one of this name, which no other agent of this machine has.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            opened: Arc::default(),
        }
    }

    /// The groups themselves; `None` where none can be made, which is said once. Blocks.
    fn get(&self) -> Option<&Cgroups> {
        let open = || {
            Cgroups::open_for_tasks(&self.name)
                .inspect_err(|error| {
                    tracing::warn!(%error, "no control groups: limits are held for each process by itself, as far as that goes");
                })
                .ok()
        };
        self.opened.get_or_init(open).as_ref()
    }

    /// The group of a task that was started before, if it has one. Blocks.
    pub(super) fn find(&self, launch: &LaunchId, limits: &TaskLimits) -> Option<Held> {
        if limits.is_empty() {
            return None;
        }
        self.get()?.find(launch.as_str(), limits)
    }
}

/// Makes the group that holds a task's limits, if it has some and groups can be made.
pub(super) async fn hold(spec: &TaskSpec) -> Result<Option<Held>, Error> {
    let Some(groups) = spec.groups.clone().filter(|_| !spec.limits.is_empty()) else {
        return Ok(None);
    };
    let (mark, limits) = (spec.launch.as_str().to_owned(), spec.limits);
    let made = tokio::task::spawn_blocking(move || {
        let held = groups.get().map(|groups| groups.hold(&mark, &limits));
        held.transpose()
    });
    made.await.map_err(|_| Error::Lost)?.map_err(Error::Limits)
}

/// What becomes the program, in its group and within what else can be held.
pub(super) fn command(spec: &TaskSpec, program: &Path, group: Option<&Held>) -> Command {
    let mut words = vec![OsString::from(program)];
    words.extend(spec.arguments.iter().map(OsString::from));
    if !spec.isolation.is_empty() {
        words = isolation::wrapped(spec.isolation, &spec.view, &spec.folder, words);
    }
    if spec.limits.is_empty() {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        return command;
    }
    let (limits, held) = (&spec.limits, |controller| {
        group.is_some_and(|group| group.has(controller))
    });
    let loose = [
        (limits.cpus.is_some(), Controller::Cpu),
        (
            limits.processes.is_some() && spec.isolation.user.is_none(),
            Controller::Processes,
        ),
        (limits.memory.is_some(), Controller::Memory),
    ];
    for (_, controller) in loose
        .into_iter()
        .filter(|(asked, controller)| *asked && !held(*controller))
    {
        tracing::warn!(%controller, program = %program.display(), "no control group holds a task to this limit here");
    }
    Command::from(entry::of_task(
        limits,
        group,
        spec.isolation.user.is_some(),
        words,
    ))
}

/// Whether a task ended for want of memory, which the kernel counts; then removes its group with what is left in it. A
/// process that could not be started kills nobody, so that limit explains no end.
pub(super) async fn explain(how: Ended, group: Option<Held>) -> Ended {
    let Some(group) = group else { return how };
    let looked = tokio::task::spawn_blocking(move || {
        let exceeded = group.exceeded();
        (exceeded, group.remove())
    });
    let Ok((exceeded, removed)) = looked.await else {
        return how;
    };
    if let Err(error) = removed {
        tracing::warn!(%error, "a task's control group could not be removed");
    }
    match exceeded {
        Ok(Some(exceeded @ Exceeded::Memory(_))) if how != Ended::Code(0) => Ended::Exceeded(exceeded),
        Ok(_) => how,
        Err(error) => {
            tracing::warn!(%error, "what a task used could not be read");
            how
        }
    }
}
