//! Control groups: the kernel's own limits on what all processes of a build use together.
//!
//! Both versions are used as they are found: one tree for all controllers (v2), or one for each (v1). Groups
//! are made below the one that this process is in, since that is what an operator hands over, as systemd
//! does with `Delegate=yes`.

mod find;
mod group;

pub(super) use group::Group;

use find::{Hierarchy, Version};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is limited through a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// The groups of one worker's builds. Cheap to clone.
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
        Ok(Self {
            inner: Arc::new(Inner {
                hierarchies,
                next: AtomicU64::new(0),
            }),
        })
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
}

/// One folder of a build's group.
#[derive(Debug)]
struct Seat {
    version: Version,
    controllers: Vec<Controller>,
    folder: PathBuf,
}
