//! How busy the machine's processors were, which says whether a figure was limited by them.

use std::fs;

/// The machine's processor time at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    idle: u64,
    all: u64,
}

impl Busy {
    /// Now; all zero where `/proc/stat` can't be read.
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::read(text.lines().next().unwrap_or_default())
    }

    /// Reads the line `cpu user nice system idle iowait …` of proc_stat(5); waiting for disks counts as idle.
    fn read(line: &str) -> Self {
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|text| text.parse().ok())
            .collect();
        Self {
            idle: ticks.iter().skip(3).take(2).sum(),
            // The two behind the first eight are counted in the first two already.
            all: ticks.iter().take(8).sum(),
        }
    }

    /// The part of all processors' time since `earlier` in which they worked, 0 to 1.
    pub(crate) fn since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1) as f64;
        let idle = self.idle.saturating_sub(earlier.idle) as f64;
        (1.0 - idle / all).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_disk_is_no_work() {
        let earlier = Busy::read("cpu  100 0 100 800 0 0 0 0 0 0");
        let later = Busy::read("cpu  120 0 105 850 25 0 0 0 20 0");
        assert!((later.since(earlier) - 0.25).abs() < 1e-9);
    }
}
