//! What a process used, read from `/proc`.

use std::fs;

/// Ticks a second in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture that Linux runs Rust on.
const TICKS_A_SECOND: f64 = 100.0;

/// What a process used until a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds of processor time, in user space and in the kernel on its behalf, children that ended included.
    pub(crate) cpu_seconds: f64,
    /// The largest resident set so far, in bytes.
    pub(crate) peak_rss_bytes: u64,
}

impl Usage {
    /// What a process used so far; `None` once it has ended and was waited for.
    pub(crate) fn of_process(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat_fields(&stat)?;
        // utime, stime, cutime and cstime are the fields 14 to 17 of proc_pid_stat(5).
        let ticks: f64 = fields
            .get(11..15)?
            .iter()
            .filter_map(|text| text.parse::<f64>().ok())
            .sum();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Self {
            cpu_seconds: ticks / TICKS_A_SECOND,
            // A process that ended and was not waited for has no memory.
            peak_rss_bytes: peak_rss(&status).unwrap_or(0),
        })
    }
}

/// The fields of a `stat` behind the program's name, which may itself hold spaces and parentheses.
fn stat_fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        assert_eq!(stat_fields("7 (a) b (c) S 1 2").unwrap(), ["S", "1", "2"]);
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t     12 kB\n"), Some(12_288));
    }
}
