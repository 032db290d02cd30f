//! How much memory every process of the system held at most.

use crate::dev::ProcessStatus;
use std::collections::BTreeMap;
use std::path::Path;

/// One process' peak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peak {
    /// Its name, such as `worker-1`.
    pub process: String,
    /// The most resident memory that it ever held, in bytes.
    pub bytes: u64,
}

/// Reads the kernel's high-water mark (`VmHWM`, proc_pid_status(5)) of every process that runs.
pub fn peaks(data: &Path) -> anyhow::Result<Vec<Peak>> {
    let text = fs_err::read_to_string(data.join("processes.json"))?;
    let processes: BTreeMap<String, ProcessStatus> = serde_json::from_str(&text)?;
    let running = processes.into_iter().filter_map(|(process, status)| {
        let bytes = peak(status.pid?)?;
        Some(Peak { process, bytes })
    });
    Ok(running.collect())
}

fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
