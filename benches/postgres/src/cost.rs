//! Processor time, from the kernel's accounting.

use anyhow::Context as _;

/// Clock ticks of the kernel's accounting in a second, on every Linux that Rust runs on (`USER_HZ`, proc(5)).
const TICKS_A_SECOND: f64 = 100.0;

/// Processor seconds of a process and its children, those that have ended included.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let mut ticks = 0.0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some(stat) = Stat::of(&text) else {
            continue;
        };
        if stat.process == process {
            ticks += stat.own_ticks + stat.children_ticks;
        } else if stat.parent == process {
            ticks += stat.own_ticks;
        }
    }
    Ok(ticks / TICKS_A_SECOND)
}

/// Processor seconds of this process alone.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn own_cpu_seconds() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let stat = Stat::of(&text).context("/proc/self/stat is not as it should be")?;
    Ok(stat.own_ticks / TICKS_A_SECOND)
}

struct Stat {
    process: u32,
    parent: u32,
    own_ticks: f64,
    children_ticks: f64,
}

impl Stat {
    fn of(text: &str) -> Option<Self> {
        // Fields after the name, which ends with the last bracket: state, parent, …, utime is the twelfth
        // (proc_pid_stat(5)).
        let (before, after) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some(Self {
            process: before.split_whitespace().next()?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            own_ticks: ticks(11)? + ticks(12)?,
            children_ticks: ticks(13)? + ticks(14)?,
        })
    }
}
