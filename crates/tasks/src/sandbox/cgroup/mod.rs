//! Control groups: the kernel's own limits on what all processes of a build, or of a task, use together.
//!
//! Both versions are used as they are found: one tree for all controllers (v2), or one for each (v1). Groups
//! are made below the one that this process is in, since that is what an operator hands over, as systemd
//! does with `Delegate=yes`.

mod find;
mod group;

pub(super) use group::Group;
pub(crate) use group::Held;

use find::{Hierarchy, Version};
use model::service::TaskLimits;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is limited through a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// Memory.
    Memory,
    /// Processor time.
    Cpu,
    /// Processes and threads.
    Processes,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Processes];

    /// The kernel's name for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Processes => "pids",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The groups of one worker's builds, or of one agent's tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cgroups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hierarchies: Vec<Hierarchy>,
    next: AtomicU64,
}

impl Cgroups {
    /// Takes charge of the groups `starling-NAME` below this process's own, and removes what a worker that
    /// was killed left in them. Blocks.
    ///
    /// Which controllers are held is for [`Self::controllers`] to say; an error means none.
    pub fn open(name: &str) -> io::Result<Self> {
        let hierarchies = find::hierarchies(name)?;
        for hierarchy in &hierarchies {
            for left in fs_err::read_dir(&hierarchy.folder)?.flatten() {
                if left.file_type()?.is_dir() {
                    group::remove(hierarchy.version, &left.path())?;
                }
            }
        }
        Ok(Self::of(hierarchies))
    }

    /// Takes charge of the groups `starling-NAME` below this process's own, in which tasks of an earlier life may run:
    /// those stay, and only empty ones are removed. Blocks.
    pub fn open_for_tasks(name: &str) -> io::Result<Self> {
        let hierarchies = find::hierarchies(name)?;
        for hierarchy in &hierarchies {
            for left in fs_err::read_dir(&hierarchy.folder)?.flatten() {
                if left.file_type()?.is_dir() {
                    // The kernel refuses to remove one that a process is in.
                    let _ = fs_err::remove_dir(left.path());
                }
            }
        }
        Ok(Self::of(hierarchies))
    }

    fn of(hierarchies: Vec<Hierarchy>) -> Self {
        Self {
            inner: Arc::new(Inner {
                hierarchies,
                next: AtomicU64::new(0),
            }),
        }
    }

    /// What is limited through these groups.
    pub fn controllers(&self) -> Vec<Controller> {
        let mut held: Vec<_> = self
            .inner
            .hierarchies
            .iter()
            .flat_map(|hierarchy| hierarchy.controllers.iter().copied())
            .collect();
        held.sort_unstable();
        held
    }

    /// Makes a group with these limits for one build. Blocks.
    pub(super) fn make(&self, limits: &model::limits::Limits) -> io::Result<Group> {
        let name = format!("build-{}", self.inner.next.fetch_add(1, Ordering::Relaxed));
        Group::make(&self.inner.hierarchies, &name, limits)
    }

    /// Makes a group with these limits for one task, whose mark is its name. Blocks.
    pub(crate) fn hold(&self, mark: &str, limits: &TaskLimits) -> io::Result<Held> {
        Held::make(&self.inner.hierarchies, &task_group(mark), limits)
    }

    /// The group that [`Self::hold`] made for a task, if it did.
    pub(crate) fn find(&self, mark: &str, limits: &TaskLimits) -> Option<Held> {
        Held::find(&self.inner.hierarchies, &task_group(mark), limits)
    }
}

fn task_group(mark: &str) -> String {
    format!("task-{mark}")
}

/// One folder of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seat {
    version: Version,
    controllers: Vec<Controller>,
    folder: PathBuf,
}
