//! What is stored of a task, to find its process again.

use super::{LaunchId, LogFile};
use crate::container::ContainerRecord;
use crate::sandbox::cgroup::Held;
use serde::{Deserialize, Serialize};
use std::io;

/// What is stored of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// Of one that is a process.
    Process(ProcessRecord),
    /// Of one that is a container.
    Container(ContainerRecord),
}

impl Record {
    /// The number of its process, which is also its group's and its session's; of a container's first.
    pub fn pid(&self) -> u32 {
        match self {
            Self::Process(process) => process.pid,
            Self::Container(container) => container.pid,
        }
    }

    /// Where its output goes.
    pub fn log(&self) -> &LogFile {
        match self {
            Self::Process(process) => &process.log,
            Self::Container(container) => &container.log,
        }
    }
}

/// Names one process for good: a number alone is given to another process sooner or later, a number, a
/// start time and a boot are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    pid: u32,
    /// When it started, in clock ticks since the machine did (proc(5), field 22 of `stat`).
    start_ticks: u64,
    /// Which start of the machine that was.
    boot: String,
    log: LogFile,
    /// What holds its limits.
    #[serde(default)]
    group: Option<Held>,
}

impl ProcessRecord {
    /// Of a child that was not waited for yet, so that the number still names it.
    pub(super) fn of(pid: u32, log: LogFile, group: Option<Held>) -> io::Result<Self> {
        let start_ticks = look(pid)?.start_ticks;
        let boot = boot()?;
        Ok(Self {
            pid,
            start_ticks,
            boot,
            log,
            group,
        })
    }

    /// The process that carries this mark and that was started by [`start`](super::start), not by another such process.
    /// Blocks: it looks at every process of the machine.
    pub(super) fn find(launch: &LaunchId, log: &LogFile, group: Option<Held>) -> io::Result<Option<Self>> {
        let mut found: Option<Self> = None;
        for entry in fs_err::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Other users' processes can't be read, and ended ones are gone.
            let Ok(environment) = fs_err::read(entry.path().join("environ")) else {
                continue;
            };
            let Ok(stat) = look(pid) else { continue };
            let leads = stat.session == pid && stat.lives() && launch.is_in(&environment);
            let is_older = |other: &Self| stat.start_ticks < other.start_ticks;
            if leads && found.as_ref().is_none_or(is_older) {
                found = Some(Self {
                    pid,
                    start_ticks: stat.start_ticks,
                    boot: boot()?,
                    log: log.clone(),
                    group: group.clone(),
                });
            }
        }
        Ok(found)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn group(&self) -> Option<&Held> {
        self.group.as_ref()
    }

    pub(super) fn names_a_live_process(&self) -> io::Result<bool> {
        match look(self.pid) {
            Ok(stat) => Ok(stat.start_ticks == self.start_ticks && stat.lives() && boot()? == self.boot),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // The process ended between the opening of its file and the reading.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What the kernel says of a process (proc(5), `stat`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    session: u32,
    start_ticks: u64,
}

impl Stat {
    fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    /// The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // `state` is field 3, the session field 6, the start time field 22.
        let session = fields.nth(2)?.parse().ok()?;
        let start_ticks = fields.nth(15)?.parse().ok()?;
        Some(Self {
            state,
            session,
            start_ticks,
        })
    }
}

fn look(pid: u32) -> io::Result<Stat> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    Stat::parse(&stat)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/PID/stat is unreadable"))
}

fn boot() -> io::Result<String> {
    let id = fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_cannot_confuse_the_reader() {
        let stat = "42 (a) R 1 (b) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 2 3";
        let expected = Stat {
            state: 'S',
            session: 42,
            start_ticks: 987_654,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse("42 (a"), None);
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }
}
