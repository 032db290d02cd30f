//! What is stored of a task, to find its process again.

use super::LogFile;
use serde::{Deserialize, Serialize};
use std::io;

/// Names one process for good: a number alone is given to another process sooner or later, a number, a
/// start time and a boot are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pid: u32,
    /// When it started, in clock ticks since the machine did (proc(5), field 22 of `stat`).
    start_ticks: u64,
    /// Which start of the machine that was.
    boot: String,
    log: LogFile,
}

impl Record {
    /// Of a child that was not waited for yet, so that the number still names it.
    pub(super) fn of(pid: u32, log: LogFile) -> io::Result<Self> {
        let (start_ticks, _) = look(pid)?;
        let boot = boot()?;
        Ok(Self {
            pid,
            start_ticks,
            boot,
            log,
        })
    }

    /// The process's number, which is also its group's and its session's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn log(&self) -> &LogFile {
        &self.log
    }

    pub(super) fn names_a_live_process(&self) -> io::Result<bool> {
        match look(self.pid) {
            Ok((start_ticks, state)) => {
                Ok(start_ticks == self.start_ticks && !matches!(state, 'Z' | 'X') && boot()? == self.boot)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // The process ended between the opening of its file and the reading.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A process's start time and state letter.
fn look(pid: u32) -> io::Result<(u64, char)> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    parse(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/PID/stat is unreadable"))
}

/// The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
fn parse(stat: &str) -> Option<(u64, char)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // `state` is field 3, the start time field 22.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((start_ticks, state))
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
        assert_eq!(parse(stat), Some((987_654, 'S')));
        assert_eq!(parse("42 (a"), None);
        assert_eq!(parse("42 (a) S 1"), None);
    }
}
