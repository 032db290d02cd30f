//! One group: made with its limits, asked which it broke, and removed with all that is in it.

use super::{Controller, Hierarchy, Seat, Version};
use crate::sandbox::Exceeded;
use model::limits::Limits;
use model::service::TaskLimits;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time over which the share of the processors is kept, in microseconds; the kernel's default.
const CPU_PERIOD_MICROS: u64 = 100_000;
/// How often, and how long apart, a group's removal is tried: its processes need a moment to die.
const REMOVAL_TRIES: u32 = 200;
const REMOVAL_PAUSE: Duration = Duration::from_millis(25);

/// The group of one build. Dropping it kills what is in it.
#[derive(Debug)]
pub(in crate::sandbox) struct Group(Held);

/// A group that outlives its maker: what is stored of it finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    seats: Vec<Seat>,
    limits: TaskLimits,
}

impl Group {
    pub(super) fn make(hierarchies: &[Hierarchy], name: &str, limits: &Limits) -> io::Result<Self> {
        let limits = TaskLimits {
            memory: Some(limits.memory),
            cpus: Some(limits.cpus),
            processes: Some(limits.processes),
        };
        // Kept first: what fails below is then removed with the rest.
        let mut group = Self(Held::empty(limits));
        group.0.fill(hierarchies, name)?;
        Ok(group)
    }

    /// See [`Held::doors`].
    pub(in crate::sandbox) fn doors(&self) -> Vec<PathBuf> {
        self.0.doors()
    }

    /// See [`Held::has`].
    pub(in crate::sandbox) fn has(&self, controller: Controller) -> bool {
        self.0.has(controller)
    }

    /// See [`Held::exceeded`].
    pub(in crate::sandbox) fn exceeded(&self) -> io::Result<Option<Exceeded>> {
        self.0.exceeded()
    }

    /// See [`Held::remove`].
    pub(in crate::sandbox) fn remove(&self) -> io::Result<()> {
        self.0.remove()
    }
}

impl Drop for Group {
    /// For a caller that went away: what is left of the folders is removed at the worker's next start.
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Held {
    fn empty(limits: TaskLimits) -> Self {
        Self {
            seats: Vec::new(),
            limits,
        }
    }

    /// Makes a group, all of it or none.
    pub(super) fn make(hierarchies: &[Hierarchy], name: &str, limits: &TaskLimits) -> io::Result<Self> {
        let mut held = Self::empty(*limits);
        let filled = held.fill(hierarchies, name);
        if filled.is_err() {
            held.kill();
        }
        filled.map(|()| held)
    }

    /// A group that was made before; `None` if a part of it is not there.
    pub(super) fn find(hierarchies: &[Hierarchy], name: &str, limits: &TaskLimits) -> Option<Self> {
        let seats: Vec<Seat> = hierarchies
            .iter()
            .map(|hierarchy| Seat::named(hierarchy, name))
            .collect();
        let whole = seats.iter().all(|seat| seat.folder.is_dir());
        whole.then_some(Self {
            seats,
            limits: *limits,
        })
    }

    fn fill(&mut self, hierarchies: &[Hierarchy], name: &str) -> io::Result<()> {
        for hierarchy in hierarchies {
            let seat = Seat::named(hierarchy, name);
            let folder = seat.folder.clone();
            fs_err::create_dir(&folder)?;
            self.seats.push(seat);
            for controller in &hierarchy.controllers {
                limit(hierarchy.version, *controller, &folder, &self.limits)?;
            }
        }
        Ok(())
    }

    /// The files that a process writes "0" to in order to join.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        let door = |seat: &Seat| seat.folder.join("cgroup.procs");
        self.seats.iter().map(door).collect()
    }

    /// Whether the group limits this.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.seats
            .iter()
            .any(|seat| seat.controllers.contains(&controller))
    }

    /// Which limit the kernel has held against what is in it, if any.
    pub(crate) fn exceeded(&self) -> io::Result<Option<Exceeded>> {
        for seat in &self.seats {
            for controller in &seat.controllers {
                let (file, event, exceeded) = match (controller, seat.version) {
                    (Controller::Cpu, _) => continue,
                    (Controller::Memory, Version::V1) => (
                        "memory.oom_control",
                        "oom_kill",
                        self.limits.memory.map(Exceeded::Memory),
                    ),
                    (Controller::Memory, Version::V2) => (
                        "memory.events",
                        "oom_kill",
                        self.limits.memory.map(Exceeded::Memory),
                    ),
                    (Controller::Processes, _) => (
                        "pids.events",
                        "max",
                        self.limits.processes.map(Exceeded::Processes),
                    ),
                };
                if exceeded.is_some() && count_of(&fs_err::read_to_string(seat.folder.join(file))?, event) > 0
                {
                    return Ok(exceeded);
                }
            }
        }
        Ok(None)
    }

    /// Kills what is in it and removes it. Blocks.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.seats
            .iter()
            .try_for_each(|seat| remove(seat.version, &seat.folder))
    }

    fn kill(&self) {
        for seat in &self.seats {
            let _ = kill(seat.version, &seat.folder);
            let _ = fs_err::remove_dir(&seat.folder);
        }
    }
}

impl Seat {
    fn named(hierarchy: &Hierarchy, name: &str) -> Self {
        Self {
            version: hierarchy.version,
            controllers: hierarchy.controllers.clone(),
            folder: hierarchy.folder.join(name),
        }
    }
}

/// Writes what is limited. For what is not, a new group has no limit.
fn limit(version: Version, controller: Controller, folder: &Path, limits: &TaskLimits) -> io::Result<()> {
    let write = |file: &str, value: String| fs_err::write(folder.join(file), value);
    // For what not every kernel has: swap accounting, above all.
    let write_if_there = |file: &str, value: String| match write(file, value) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    match controller {
        Controller::Memory => {
            let Some(memory) = limits.memory else {
                return Ok(());
            };
            match version {
                Version::V2 => {
                    write("memory.max", memory.0.to_string())?;
                    write_if_there("memory.swap.max", "0".to_owned())?;
                    write_if_there("memory.oom.group", "1".to_owned())
                }
                Version::V1 => {
                    write("memory.limit_in_bytes", memory.0.to_string())?;
                    write_if_there("memory.memsw.limit_in_bytes", memory.0.to_string())
                }
            }
        }
        Controller::Cpu => {
            let Some(cpus) = limits.cpus else { return Ok(()) };
            let quota = u64::from(cpus.thousandths()) * CPU_PERIOD_MICROS / 1000;
            match version {
                Version::V2 => write("cpu.max", format!("{quota} {CPU_PERIOD_MICROS}")),
                Version::V1 => {
                    write("cpu.cfs_period_us", CPU_PERIOD_MICROS.to_string())?;
                    write("cpu.cfs_quota_us", quota.to_string())
                }
            }
        }
        Controller::Processes => match limits.processes {
            Some(processes) => write("pids.max", processes.to_string()),
            None => Ok(()),
        },
    }
}

/// The number after a name, in a file of `name number` lines.
fn count_of(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(found, _)| *found == name)
        .and_then(|(_, count)| count.trim().parse().ok())
        .unwrap_or(0)
}

/// Kills what is in a group and removes it.
pub(super) fn remove(version: Version, folder: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match fs_err::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if tries >= REMOVAL_TRIES => return Err(error),
            Err(_) => kill(version, folder)?,
        }
        tries += 1;
        std::thread::sleep(REMOVAL_PAUSE);
    }
}

fn kill(version: Version, folder: &Path) -> io::Result<()> {
    if version == Version::V2 {
        return fs_err::write(folder.join("cgroup.kill"), "1");
    }
    for line in fs_err::read_to_string(folder.join("cgroup.procs"))?.lines() {
        // ESRCH: it has ended by itself.
        if let Some(pid) = line.parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ByteSize;
    use model::limits::Cpus;

    const LIMITS: Limits = Limits {
        memory: ByteSize::mebibytes(64),
        cpus: Cpus::whole(2),
        processes: 50,
        disk: ByteSize::gibibytes(1),
    };

    /// A folder with the files of a tree of the second version, which this machine may not have.
    fn second_version() -> (tempfile::TempDir, Group) {
        let folder = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy {
            version: Version::V2,
            controllers: Controller::ALL.to_vec(),
            folder: folder.path().to_owned(),
        };
        let group = Group::make(&[hierarchy], "build-0", &LIMITS).unwrap();
        (folder, group)
    }

    #[test]
    fn the_limits_are_written_in_the_words_of_the_second_version() {
        let (folder, group) = second_version();
        let read = |file: &str| std::fs::read_to_string(folder.path().join("build-0").join(file)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("cpu.max"), "200000 100000");
        assert_eq!(read("pids.max"), "50");
        assert_eq!(group.doors(), [folder.path().join("build-0/cgroup.procs")]);
    }

    #[test]
    fn what_the_kernel_counted_is_told_as_the_limit_it_was_for() {
        let (folder, group) = second_version();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join("build-0").join(file), text);
        write("memory.events", "low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n").unwrap();
        write("pids.events", "max 0\n").unwrap();
        assert_eq!(group.exceeded().unwrap(), None);
        write("pids.events", "max 3\n").unwrap();
        assert_eq!(group.exceeded().unwrap(), Some(Exceeded::Processes(50)));
        write("memory.events", "max 7\noom 1\noom_kill 1\n").unwrap();
        assert_eq!(group.exceeded().unwrap(), Some(Exceeded::Memory(LIMITS.memory)));
    }
}
