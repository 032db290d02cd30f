//! Room on the disk, and what the system keeps of it in memory.

use anyhow::{Context as _, ensure};
use std::path::Path;

/// What the system itself needs left, in bytes.
const RESERVE: u64 = 2_000_000_000;

/// Refuses to begin what the disk has no room for: the artifact in the store and on every host. (The file that is
/// uploaded is deleted before the hosts begin.)
pub fn check_room(folder: &Path, length: u64, hosts: usize) -> anyhow::Result<()> {
    let found = rustix::fs::statvfs(folder).context("failed to look at the disk")?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = length * (1 + hosts as u64) + RESERVE;
    ensure!(
        free >= needed,
        "the disk of {} has {:.1} GB free and {:.1} GB are needed: point TMPDIR to a larger one, or use --quick",
        folder.display(),
        free as f64 / 1e9,
        needed as f64 / 1e9
    );
    Ok(())
}

/// Writes out what earlier steps left in memory, so that nobody pays for it later.
pub fn settle() {
    rustix::fs::sync();
}

/// Bytes of files that the system keeps in memory.
pub fn page_cache_bytes() -> f64 {
    let text = fs_err::read_to_string("/proc/meminfo").unwrap_or_default();
    let cached = text.lines().find_map(|line| line.strip_prefix("Cached:"));
    let kilobytes = cached.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}
