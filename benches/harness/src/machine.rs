//! What the figures were measured on.

use std::fs;

/// The machine in one line, such as `2 × Intel(R) Xeon(R) Processor, 24.6 GB, Linux 6.1.0`.
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = read("/proc/cpuinfo");
    let processor = field(&processor, "model name").unwrap_or("unknown processor");
    let memory = read("/proc/meminfo");
    // Written as `MemTotal:  123 kB`, of 1,024 bytes each.
    let memory = field(&memory, "MemTotal").and_then(|text| text.strip_suffix(" kB")?.parse::<f64>().ok());
    let memory = memory.map_or(String::new(), |kilobytes| {
        format!(", {:.1} GB", kilobytes * 1024.0 / crate::GB)
    });
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} × {processor}{memory}, Linux {}", kernel.trim())
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then_some(value.trim())
    })
}
