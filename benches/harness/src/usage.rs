//! What a process and those below it used, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ticks a second in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture that Linux runs Rust on.
const TICKS_A_SECOND: f64 = 100.0;

/// What processes used until a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Seconds of processor time, in user space and in the kernel on its behalf, children that ended included.
    pub cpu_seconds: f64,
    /// The largest resident set so far, in bytes. Of several processes it is the sum, which counts shared pages twice.
    pub peak_rss_bytes: u64,
}

impl std::ops::Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            peak_rss_bytes: self.peak_rss_bytes + other.peak_rss_bytes,
        }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), std::ops::Add::add)
    }
}

impl Usage {
    /// What one running process used so far; `None` once it is gone.
    pub fn of_process(pid: u32) -> Option<Self> {
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

    /// What a running process and all below it used so far; `None` once it is gone.
    pub fn of_tree(root: u32) -> Option<Self> {
        Self::of_process(root)?;
        Some(tree(root).into_iter().filter_map(Self::of_process).sum())
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

/// A process and all below it.
fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat_fields(&stat).and_then(|fields| fields.get(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// Watches a process tree that may end by itself: what it used is known up to one period before its end.
#[derive(Debug)]
pub struct Watch {
    latest: Arc<Mutex<Usage>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks at the tree below `root` now and every `period` until it ends or [`Self::finish`] is called.
    pub fn start(root: u32, period: Duration) -> Self {
        let (latest, stop) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (Arc::clone(&latest), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed)
                && let Some(usage) = Usage::of_tree(root)
            {
                note(&shared, usage);
                std::thread::park_timeout(period);
            }
            // Once more, so that nothing since the last look is missing where the tree still runs.
            note(&shared, Usage::of_tree(root).unwrap_or_default());
        });
        Self {
            latest,
            stop,
            thread: Some(thread),
        }
    }

    /// The largest figures that were seen.
    pub fn finish(mut self) -> Usage {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only reads files and can't panic.
            let _ = thread.join();
        }
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn note(latest: &Mutex<Usage>, usage: Usage) {
    let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
    latest.cpu_seconds = latest.cpu_seconds.max(usage.cpu_seconds);
    latest.peak_rss_bytes = latest.peak_rss_bytes.max(usage.peak_rss_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_tree_counts_the_work_and_the_memory_of_its_children() {
        // A shell whose child computes for ever, so that whatever is found was used below the root.
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'while :; do :; done'; :"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let watch = Watch::start(shell.id(), Duration::from_millis(5));
        let worked = (0..2_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            Usage::of_tree(shell.id()).is_some_and(|usage| usage.cpu_seconds >= 0.05)
        });
        let (own, all) = (Usage::of_process(shell.id()).unwrap(), watch.finish());
        for pid in tree(shell.id()) {
            Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status()
                .unwrap();
        }
        shell.wait().unwrap();
        assert!(worked && all.cpu_seconds >= 0.05);
        assert!(own.cpu_seconds < all.cpu_seconds);
        assert!(own.peak_rss_bytes > 0 && own.peak_rss_bytes < all.peak_rss_bytes);
        assert_eq!(Usage::of_tree(shell.id()), None);
    }

    #[test]
    fn a_program_may_be_called_anything() {
        assert_eq!(stat_fields("7 (a) b (c) S 1 2").unwrap(), ["S", "1", "2"]);
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t     12 kB\n"), Some(12_288));
    }
}
