//! Who copies, and what a run took.

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Our synchronizer.
    Ours,
    /// An rclone for each region.
    Rclone,
}

impl Side {
    /// Both, ours first, as reports take them.
    pub const ALL: [Self; 2] = [Self::Ours, Self::Rclone];
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "starling",
            Self::Rclone => "rclone",
        })
    }
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Until the last region has everything.
    pub seconds: f64,
    /// Of those who copy and of all stores together.
    pub cpu_seconds: f64,
    /// Of those who copy, together.
    pub peak_rss_bytes: u64,
    /// Bytes that the main store read of its disk.
    pub read_of_main: u64,
}
