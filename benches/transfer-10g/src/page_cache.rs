//! What the system keeps of files in memory.

/// Bytes of files that the system keeps in memory; not a number where it does not say.
pub fn page_cache_bytes() -> f64 {
    let text = fs_err::read_to_string("/proc/meminfo").unwrap_or_default();
    let cached = text.lines().find_map(|line| line.strip_prefix("Cached:"));
    let kilobytes = cached.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}
